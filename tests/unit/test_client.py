"""The API's client: what it sends, and which of our errors an answer becomes."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sealane import errors
from sealane.agent.server import Listener
from sealane.client import ApiClient, Changes

CHANGES = {"sequence": 7, "changed": ["ports"]}


async def _echo(request: Request) -> Response:
    seen = {
        "method": request.method,
        "path": request.url.path,
        "query": dict(request.query_params),
        "token": request.headers.get("x-auth-token", ""),
    }
    body = await request.body()
    return JSONResponse({"networks": [seen], "network": {**seen, "body": body.decode()}, **CHANGES})


async def _refuse(request: Request) -> Response:
    inner = {"type": request.path_params["kind"], "message": "no", "detail": ""}
    return JSONResponse({"NeutronError": inner}, int(request.path_params["status"]))


async def _hang(_: Request) -> Response:
    await asyncio.sleep(60)
    return Response()


async def _garbage(_: Request) -> Response:
    return PlainTextResponse("<html>")


ROUTES = [
    Route("/v2.0/ports/{status}/{kind}", _refuse),
    Route("/v2.0/hang/x", _hang),
    Route("/v2.0/garbage/x", _garbage),
    Route("/v2.0/{path:path}", _echo, methods=["GET", "POST", "PUT", "DELETE"]),
]


def talk(body: Callable[[ApiClient], Awaitable[None]], deadline: float = 10) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory(prefix="sl") as directory:
            path = Path(directory) / "api.sock"
            listener = Listener(Starlette(routes=ROUTES), path)
            serving = asyncio.create_task(listener.serve())
            while not path.exists():
                await asyncio.sleep(0.01)
            try:
                async with ApiClient(f"unix:{path}", "secret", deadline) as api:
                    await body(api)
            finally:
                listener.stop()
                await serving

    asyncio.run(run())


def test_the_verbs_in_neutrons_shape() -> None:
    async def body(api: ApiClient) -> None:
        [found] = await api.list("networks", name="blue")
        assert found == {
            "method": "GET",
            "path": "/v2.0/networks",
            "query": {"name": "blue"},
            "token": "secret",
        }
        assert (await api.get("networks", "n1"))["path"] == "/v2.0/networks/n1"
        made = await api.create("networks", {"name": "blue"})
        assert (made["method"], made["body"]) == ("POST", '{"network": {"name": "blue"}}')
        changed = await api.update("networks", "n1", {"name": "red"})
        assert (changed["method"], changed["body"]) == ("PUT", '{"network": {"name": "red"}}')
        await api.delete("networks", "n1")
        assert await api.changes(3) == Changes(7, frozenset({"ports"}))

    talk(body)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (404, "PortNotFound", errors.NotFound),
        (409, "IpAddressAlreadyAllocated", errors.AddressInUse),
        (409, "IpAddressGenerationFailure", errors.AddressesExhausted),
        (409, "PortInUse", errors.Conflict),
        (400, "HTTPBadRequest", errors.BadRequest),
        (412, "RevisionNumberConstraintFailed", errors.RevisionMismatch),
        (503, "ServiceUnavailable", errors.Unavailable),
        (401, "Unauthorized", errors.Unauthorized),
        (418, "Teapot", errors.SealaneError),
    ],
)
def test_an_answer_becomes_the_error_it_is(
    status: int, kind: str, expected: type[errors.SealaneError]
) -> None:
    async def body(api: ApiClient) -> None:
        with pytest.raises(errors.SealaneError) as caught:
            await api.request("GET", f"ports/{status}/{kind}")
        assert type(caught.value) is expected
        assert (caught.value.message, caught.value.type) == ("no", kind)

    talk(body)


@pytest.mark.parametrize("id", ("..", ".", "", "../networks", "a/b", "a?b=c", "%2e%2e", "x" * 300))
def test_a_path_is_no_id(id: str) -> None:
    async def body(api: ApiClient) -> None:
        for asked in (api.get("ports", id), api.update("ports", id, {}), api.delete("ports", id)):
            with pytest.raises(errors.NotFound, match="there is no port"):
                await asked

    talk(body)


def test_silence_and_garbage_are_unavailable() -> None:
    async def body(api: ApiClient) -> None:
        with pytest.raises(errors.DeadlineExceeded):
            await api.get("hang", "x")
        with pytest.raises(errors.Unavailable):
            await api.get("garbage", "x")

    talk(body, deadline=0.5)


def test_nobody_there_is_unavailable() -> None:
    async def body() -> None:
        async with ApiClient("unix:/nowhere/api.sock", deadline=0.3) as api:
            with pytest.raises(errors.Unavailable):
                await api.list("networks")

    asyncio.run(body())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_what_may_come_twice_is_sent_again_when_the_api_dies_over_it(method: str) -> None:
    """A server that hangs up on the first request, whole as it is, and answers the second."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        if len(seen) > 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def run() -> None:
        with tempfile.TemporaryDirectory(prefix="sl") as directory:
            server = await asyncio.start_unix_server(serve, f"{directory}/api.sock")
            async with server, ApiClient(f"unix:{directory}/api.sock", deadline=5) as api:
                if method == "POST":
                    with pytest.raises(errors.Unavailable):
                        await api.request(method, "ports")
                else:
                    assert await api.request(method, "ports/1") == {}
        assert len(seen) == (1 if method == "POST" else 2)

    asyncio.run(run())
