# The image of `headstart serve`; docs/serving.md shows how to build and run it.
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/headstart && /opt/headstart/bin/pip install --no-cache-dir '.[serve]'

FROM python:3.11-slim
COPY --from=build /opt/headstart /opt/headstart
# The file system may be read-only but for /tmp, where compiled models are kept while the container runs.
ENV HEADSTART_HOME=/tmp/headstart PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/opt/headstart/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/v2/health/ready', timeout=2)"]
ENTRYPOINT ["/opt/headstart/bin/headstart", "serve"]
CMD ["/models/trees", "--host", "0.0.0.0"]
