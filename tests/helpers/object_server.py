"""An S3 server on this machine, in this process, that can be told to fail."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

REGION = "us-east-1"
SECRET = "hush/hush+hush"
_SLOW_DOWN = (
    "503 Service Unavailable",
    b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>",
)


@dataclass
class Fault:
    """What becomes of some requests."""

    chosen: Callable[[int, dict[str, Any]], bool]
    """Given the number of a request, from 0, and its WSGI environment."""
    delay_s: float = 0.0
    """Before it is done, or after it where `late`."""
    late: bool = False
    refused: bool = False
    """Answered with 503, and not done."""
    unanswered: bool = False
    """Done, and answered with 503."""
    answer: tuple[str, bytes] = _SLOW_DOWN
    """Given instead of 503."""
    met: int = 0


class ObjectServer:
    """Serves buckets; requests meet `fault` while there is one."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, *_: Any) -> None:
                """Keep requests out of the tests' output."""

        self._application = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.Lock()
        """moto looks whether a name is taken, then writes: of two writers at once both would win."""
        self._count = 0
        self.fault: Fault | None = None
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Quiet)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        fault = self.fault
        self._count += 1
        meets = fault is not None and fault.chosen(self._count - 1, environ)
        if fault is not None and meets:
            fault.met += 1
            if not fault.late:
                time.sleep(fault.delay_s)
            if fault.refused:
                return _failed(fault, start_response)
            if fault.unanswered:
                self._done(environ, lambda *_: None)
                return _failed(fault, start_response)
        answer = self._done(environ, start_response)
        if fault is not None and meets and fault.late:
            time.sleep(fault.delay_s)
        return answer

    def _done(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        with self._one_at_a_time:
            return self._application(environ, start_response)

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[Fault]:
        """Let requests meet a fault."""
        self.fault, self._count = fault, 0
        try:
            yield fault
        finally:
            self.fault = None

    def environment(self) -> dict[str, str]:
        """Return the variables that lead clients here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def client(self) -> Any:
        """Return Amazon's own client."""
        import boto3

        return boto3.client("s3")

    def new_bucket(self) -> str:
        """Make a bucket and return its URL."""
        name = f"lexicons-{uuid4().hex[:8]}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def close(self) -> None:
        self._server.shutdown()


def _failed(fault: Fault, start_response: Callable[..., Any]) -> list[bytes]:
    status, body = fault.answer
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]
