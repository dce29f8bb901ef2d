# A worker or a server in a container, as a user without rights. `docker build -t kakitome . && docker run kakitome worker`
# For the stack's containers on arm64, its default: `docker build --platform linux/arm64 …`.
FROM python:3.13-slim AS made
WORKDIR /made
COPY requirements/build.txt requirements/server.txt requirements/
# What builds stays behind in this stage: the environment that is copied has no pip and nothing that builds.
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && python -m venv --without-pip /opt/kakitome \
 && pip --python /opt/kakitome/bin/python install --no-cache-dir --require-hashes -r requirements/server.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir dist . \
 && pip --python /opt/kakitome/bin/python install --no-cache-dir --no-index --no-deps dist/*.whl

FROM python:3.13-slim
COPY --from=made /opt/kakitome /opt/kakitome
# Locks and wire marks; mount it where a killed worker's marks shall be found by the next one.
RUN useradd --uid 10001 --create-home --home-dir /var/lib/kakitome --shell /usr/sbin/nologin kakitome
USER 10001
WORKDIR /var/lib/kakitome
ENV PATH=/opt/kakitome/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# SIGTERM ends it in good order; give it as long as the longest `timeout` of a lane, and an init process (`docker run
# --init`), since until its own handler is there the first process of a container hears no signal. No HEALTHCHECK: a
# worker that dies ends the container, one that is late is told by the alerts; `serve` has /healthz and /readyz.
ENTRYPOINT ["kakitome"]
CMD ["worker"]
