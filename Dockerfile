# Every image of Keyway, one target each: crypto, backend, dashboard, db, caddy. docker-compose.yml builds them.
# Configuration comes at run time only, so one image serves every instance.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS python
ENV PATH=/opt/keyway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1

FROM python AS build
# The environment itself holds no pip: the base image's pip fills it and stays behind in this stage. Our own packages are
# plain Python and are copied. Everything is compiled here, because containers are read-only.
RUN python -m venv --without-pip /opt/keyway
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

FROM build AS build-crypto
ARG PYTHON
COPY requirements/crypto.txt .
RUN pip --python /opt/keyway/bin/python install --require-hashes --only-binary :all: -r crypto.txt
COPY protos core certificates crypto /opt/keyway/lib/python${PYTHON}/site-packages/
RUN PYTHONDONTWRITEBYTECODE= python -m compileall -q /opt/keyway/lib

FROM build AS build-backend
ARG PYTHON
COPY requirements/backend.txt .
RUN pip --python /opt/keyway/bin/python install --require-hashes --only-binary :all: -r backend.txt
COPY protos core backend /opt/keyway/lib/python${PYTHON}/site-packages/
RUN PYTHONDONTWRITEBYTECODE= python -m compileall -q /opt/keyway/lib

FROM build AS build-dashboard
ARG PYTHON
COPY requirements/dashboard.txt .
RUN pip --python /opt/keyway/bin/python install --require-hashes --only-binary :all: -r dashboard.txt
COPY core dashboard /opt/keyway/lib/python${PYTHON}/site-packages/
RUN PYTHONDONTWRITEBYTECODE= python -m compileall -q /opt/keyway/lib

FROM python AS runtime
# What only a builder needs does not reach a running container.
RUN find / -xdev \( -name 'pip*' -o -name ensurepip -o -name 'setuptools*' \) -path '*python3*' -prune -exec rm -rf {} + \
  && rm -rf /usr/bin/pip* /usr/local/bin/pip* /usr/share/python-wheels
COPY deploy/health.py /usr/local/bin/keyway-health

FROM runtime AS crypto
COPY --from=build-crypto /opt/keyway /opt/keyway
COPY deploy/certificates.py /usr/local/bin/keyway-certificates
# Volumes, filled by the one-shot service `certificates`. A new volume takes its owner from here, whoever mounts it first.
RUN for part in all crypto backend db; do install -d -o 10000 -g 10000 -m 0750 /certificates/$part; done
USER 10001:10001
CMD ["python", "-m", "keyway_crypto"]

FROM runtime AS backend
COPY --from=build-backend /opt/keyway /opt/keyway
RUN install -d -o 10000 -g 10000 -m 0750 /certificates/backend
USER 10002:10002
CMD ["python", "-m", "keyway_backend"]

FROM runtime AS dashboard
COPY --from=build-dashboard /opt/keyway /opt/keyway
USER 10004:10004
CMD ["python", "-m", "keyway_dashboard"]

FROM postgres:17 AS db
# initdb wants a user with a name. Its role of the same name is the only administrator, and has no password: it exists
# for `docker compose exec db psql` (peer authentication) and not for the network.
RUN groupadd --gid 10003 keyway && useradd --uid 10003 --gid 10003 --no-create-home --shell /usr/sbin/nologin keyway \
  && install -d -o 10003 -g 10003 -m 0700 /var/lib/keyway \
  && install -d -o 10000 -g 10000 -m 0750 /certificates/db
COPY deploy/db /opt/keyway
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/keyway/data PGDATABASE=keyway PGHOST=/run/postgresql
USER 10003:10003
ENTRYPOINT ["/opt/keyway/entrypoint"]
CMD []

FROM caddy:2 AS caddy
# The copy leaves behind the file capability of the official image, with which the binary would not start once all
# capabilities are dropped. Ports 80 and 443 are opened to it by a namespaced sysctl instead.
RUN cp "$(command -v caddy)" /usr/local/bin/keyway-caddy && install -d -o 10005 -g 10005 -m 0700 /var/lib/keyway
COPY deploy/caddy /etc/caddy/keyway
ENV XDG_DATA_HOME=/var/lib/keyway XDG_CONFIG_HOME=/var/lib/keyway
USER 10005:10005
ENTRYPOINT ["keyway-caddy"]
CMD ["run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
