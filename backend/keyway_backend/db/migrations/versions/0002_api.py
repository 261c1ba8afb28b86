"""What the whole API needs. One SQL file per noun, run in the order of their names."""

from importlib import resources
from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Runs the job library's own schema, then the SQL files of the folder beside this one.

    A version of the library with another schema comes with a migration of ours that runs its steps from this one.
    """
    run = op.get_bind().exec_driver_sql
    library = (resources.files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
    run(library.replace("%", "%%"))  # the driver takes a per cent sign for a parameter
    for path in sorted(Path(__file__).with_suffix("").glob("*.sql")):
        run(path.read_text(encoding="utf-8"))
