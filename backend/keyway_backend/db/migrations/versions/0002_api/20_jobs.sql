-- Background jobs. The tables, types and functions are those of the job library, of the version that
-- requirements/backend.txt pins: 0002_api.py runs the schema that the library brings along before this file.

-- NOTIFY takes a lock of the whole server at commit. A job of negative priority can wait for the next poll, so it sends
-- none: what a pull or a push leaves behind has such a priority.
DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs;
CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1
    AFTER INSERT ON procrastinate_jobs
    FOR EACH ROW WHEN (NEW.status = 'todo' AND NEW.priority >= 0)
    EXECUTE FUNCTION procrastinate_notify_queue_job_inserted_v1();
