"""The page's server: answers, limits, headers, and nothing of a request that reaches files or markup."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meta_nmt.cli import serve
from meta_nmt.serving.desk import Limits
from meta_nmt.serving.server import MAX_BODY, MAX_CHARACTERS, MAX_LINES, make_app
from meta_nmt.serving.texts import likenesses
from meta_nmt.translation.backend import Scored
from meta_nmt.translation.loaders import load_folder

CARD = "# Card\n<script>alert(1)</script>\n"


@pytest.fixture(scope="module")
def client(model):
    app = make_app(load_folder(model), Limits(), CARD, ["testserver"])
    with TestClient(app) as client:
        yield client


@pytest.fixture(scope="module")
def line(data):
    return (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()[0]


def test_a_translation_with_all_that_is_behind_it(client, model, line):
    answer = client.post("/api/translate", json={"text": line, "nbest": 2}).json()
    (expected,) = load_folder(model).results([line], 2)
    assert answer["text"] == expected.text and answer["source_lang"] == "dd" and answer["target_lang"] == "en"
    assert [h["text"] for h in answer["hypotheses"]] == [h.text for h in expected.hypotheses]
    assert [h["score"] for h in answer["hypotheses"]] == pytest.approx([h.score for h in expected.hypotheses])
    assert [p["piece"] for p in answer["pieces"]] == expected.pieces
    for piece in answer["pieces"]:
        assert piece["nearest"][0]["token"] == piece["piece"].replace("dd", ""), (
            "the test data's pieces have neighbours"
        )
        assert len(piece["nearest"]) == 5 and 0 < piece["nearest"][0]["weight"] <= 1
    assert answer["warnings"] == []


def test_odd_text_is_answered(client):
    for text in ("", "  \n", "Привет", "<script>alert(1)</script>", "a\u0000b", "\u202egnol", "x" * MAX_CHARACTERS):
        response = client.post("/api/translate", json={"text": text})
        assert response.status_code == 200, text
    half = client.post("/api/translate", content=b'{"text": "\\ud83d"}', headers={"Content-Type": "application/json"})
    assert half.status_code in (200, 422)


@pytest.mark.parametrize(
    "status, body, words",
    [
        (422, {"text": "x" * (MAX_CHARACTERS + 1)}, "2000 characters"),
        (413, {"text": "x" * MAX_BODY}, "2,000 characters"),
        (413, {"text": "x" * 5_000_000}, "2,000 characters"),
        (422, {}, "text: "),
        (422, {"text": 3}, "text: "),
        (422, {"text": "x", "nbest": 0}, "nbest: "),
        (422, {"text": "x", "nbest": 99}, "nbest: "),
        (422, {"text": "x", "model": "../../etc"}, "model: "),
        (422, ["x"], ""),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(client, status, body, words):
    response = client.post("/api/translate", json=body)
    assert response.status_code == status and words in response.json()["detail"], response.text[:300]
    assert len(response.content) < 300, "the text is not sent back"


def test_no_json(client):
    assert client.post("/api/translate", content=b"{", headers={"Content-Type": "application/json"}).status_code == 422


@pytest.mark.parametrize("path", ["/../setup.py", "/page.js", "/..%2f..%2fetc/passwd", "/static/x", "/docs", "/redoc"])
def test_there_is_nothing_else(client, path):
    assert client.get(path).status_code == 404


def test_every_answer_has_the_headers(client):
    for response in (
        client.get("/"),
        client.get("/nothing"),
        client.post("/api/translate", json={"text": "x" * 50_000}),
    ):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY" and response.headers["cache-control"] == "no-store"


def test_the_page_needs_nothing_from_elsewhere(client):
    page = client.get("/").text
    assert "http://www.w3.org/2000/svg" in page
    assert page.replace("http://www.w3.org/2000/svg", "").count("http") == 0, "no other address"
    assert "innerHTML" not in page and "/*STYLE*/" not in page and "/*SCRIPT*/" not in page


def test_card_and_interface(client):
    card = client.get("/card")
    assert card.text == CARD and card.headers["content-type"].startswith("text/plain")
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/card", "/health", "/api/model", "/api/translate", "/languages", "/translate"}
    assert {"200", "408", "413", "422", "429", "500", "504"} <= set(paths["/api/translate"]["post"]["responses"])
    assert client.get("/api/model").json() == {
        "source_lang": "dd",
        "target_lang": "en",
        "source_name": "dd",
        "target_name": "English",
        "beam": 5,
        "max_characters": 2000,
    }
    assert client.get("/health").json() == {"status": "ok"}


def test_line_breaks_are_kept(client, model, data):
    lines = (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()[:2]
    one, two = (translation.text for translation in load_folder(model).results(lines))
    answer = client.post("/api/translate", json={"text": f"{lines[0]}\n\r\n{lines[1]}\n", "nbest": 2}).json()
    assert answer["text"] == f"{one}\n\r\n{two}\n" == answer["hypotheses"][0]["text"]
    assert answer["hypotheses"][1]["text"].count("\n") == 3
    of_one_line = client.post("/api/translate", json={"text": lines[0], "nbest": 2}).json()["hypotheses"]
    assert of_one_line[0]["score"] >= of_one_line[1]["score"], "best first; of several lines it is a mean over pieces"
    warned = client.post("/api/translate", json={"text": f"{lines[0]}\nПривет"}).json()["warnings"]
    assert [warning[:7] for warning in warned] == ["line 2:"]


def test_a_list_is_answered_by_a_list(client, model, data):
    lines = (data / "text/dd-en/valid.dd").read_text("utf-8").splitlines()[:2]
    answers = client.post("/api/translate", json={"text": [*lines, ""]}).json()
    assert [answer["text"] for answer in answers] == [*load_folder(model).translate(lines), ""]
    assert client.post("/api/translate", json={"text": []}).json() == []


def test_alternatives_that_are_nearly_the_same():
    assert likenesses(["He reads.", "he reads", "She reads.", "He  reads!", "she reads"]) == [None, 0, None, 0, 2]


@pytest.mark.parametrize(
    "kind, ask",
    [
        ("json", lambda client, question: client.post("/translate", json=question)),
        ("form", lambda client, question: client.post("/translate", data=question)),
    ],
)
def test_a_client_of_libretranslate(client, model, line, kind, ask):
    assert client.get("/languages").json() == [
        {"code": "dd", "name": "dd", "targets": ["en"]},
        {"code": "en", "name": "English", "targets": []},
    ]
    (expected,) = load_folder(model).translate([line])
    question = {"q": line, "source": "dd", "target": "en", "format": "text", "api_key": "x"}
    assert ask(client, question).json() == {"translatedText": expected}
    answer = ask(client, question | {"source": "auto", "alternatives": 2}).json()
    assert answer["translatedText"] == expected and len(answer["alternatives"]) <= 2
    assert expected not in answer["alternatives"] and answer["detectedLanguage"]["language"] == "dd"


def test_a_list_of_libretranslate(client, model, line):
    question = {"q": [line, "x\ny"], "source": "auto", "target": "en", "alternatives": 1}
    answer = client.post("/translate", json=question).json()
    assert [len(answer[name]) for name in ("translatedText", "alternatives", "detectedLanguage")] == [2, 2, 2]
    assert answer["translatedText"][1].count("\n") == 1


@pytest.mark.parametrize(
    "change, words",
    [
        ({"q": None}, "Invalid request: missing q parameter"),
        ({"q": ""}, "missing q"),
        ({"q": 3}, "must be a text, or a list of texts"),
        ({"q": ["x", None]}, "must be a text, or a list of texts"),
        ({"q": "x" * (MAX_CHARACTERS + 1)}, f"at most {MAX_CHARACTERS} characters"),
        ({"q": "x\n" * (MAX_LINES + 1)}, f"at most {MAX_LINES} lines"),
        ({"source": None}, "missing source"),
        ({"source": "xx"}, "'xx' is not supported"),
        ({"target": "\ud83d"}, "is not supported"),
        ({"target": ["en"]}, "is not supported"),
        ({"format": "html"}, "'html' format is not supported"),
        ({"alternatives": "many"}, "alternatives parameter is not a number"),
        ({"alternatives": -1}, "alternatives parameter must be >= 0"),
    ],
)
def test_refusals_of_libretranslate(client, change, words):
    question = {"q": "x", "source": "dd", "target": "en"} | change
    answer = client.post("/translate", content=json.dumps(question), headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and set(answer.json()) == {"error"} and words in answer.json()["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 10_000, b"q=x"])
def test_no_parameters_of_libretranslate(client, body):
    answer = client.post("/translate", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and set(answer.json()) == {"error"}


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(st.characters(), max_size=30),
    st.lists(st.text(max_size=10), max_size=4), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


def questions(schema):
    """Bodies that follow a schema of the API's own description, and bodies with one field that is something else."""
    fields = {name: st.one_of(*map(st.just, ("x", "dd", "en", 1)), ODD) for name in schema["properties"]}
    others = st.dictionaries(st.text(st.characters(), max_size=5), ODD, max_size=1)
    return st.tuples(st.fixed_dictionaries({}, optional=fields), others).map(lambda parts: {**parts[1], **parts[0]})


@pytest.mark.parametrize("path", ["/api/translate", "/translate"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(chosen=st.data())
def test_any_body_has_an_answer_that_is_described(client, path, chosen):
    described = client.get("/openapi.json").json()
    operation = described["paths"][path]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    schema = described["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
    body = json.dumps(chosen.draw(st.one_of(questions(schema), ODD)))
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert str(answer.status_code) in operation["responses"] and answer.status_code < 500, (body, answer.text)
    assert answer.status_code == 200 or {*answer.json()} <= {"detail", "error"}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_stranger_s_name_for_this_server_is_refused(model):
    with TestClient(make_app(load_folder(model), Limits(), hosts=["127.0.0.1"])) as client:
        assert client.get("/").status_code == 400
        assert client.get("/", headers={"Host": "127.0.0.1:8000"}).status_code == 200


class Slow:
    """A backend that takes its time, or fails."""

    batch_sentences = 8

    def __init__(self, seconds):
        self.seconds, self.sizes = seconds, []

    def translate(self, batches, nbest):
        for batch in batches:
            self.sizes.append(len(batch))
            time.sleep(self.seconds)
            if any("▁ddwab" in pieces for pieces in batch):
                raise RuntimeError("no")
            yield [[Scored(["▁waa"], -1.0)] * nbest for _ in batch]


def slow_app(model, seconds, **limits):
    translator = replace(load_folder(model), backend=Slow(seconds))
    return make_app(translator, Limits(**limits), hosts=["*"]), translator.backend


def test_who_waits_too_long_is_told(model):
    app, _ = slow_app(model, 0.5, timeout_s=0.05)
    with TestClient(app) as client:
        response = client.post("/api/translate", json={"text": "ddwaa"})
        assert response.status_code == 504 and "0.05 seconds" in response.json()["detail"]


def test_one_failure_does_not_stop_the_server(model):
    app, _ = slow_app(model, 0.0)
    with TestClient(app, raise_server_exceptions=False) as client:
        failed = client.post("/api/translate", json={"text": "ddwab"})
        assert failed.status_code == 500 and failed.headers["x-frame-options"] == "DENY"
        as_libre = client.post("/translate", json={"q": "ddwab", "source": "dd", "target": "en"})
        assert as_libre.status_code == 500 and "failed" in as_libre.json()["error"]
        assert client.post("/api/translate", json={"text": "ddwaa"}).json()["text"] == "waa"


def test_a_fault_of_ours_has_the_headers_too(model):
    app, _ = slow_app(model, 0.0)

    @app.get("/broken")
    async def broken():
        raise ZeroDivisionError

    with TestClient(app, raise_server_exceptions=False) as client:
        failed = client.get("/broken")
    assert failed.status_code == 500 and failed.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in failed.headers["content-security-policy"] and failed.json()["detail"]


def test_200_requests_at_once(model):
    """Some are translated, a few together; the others are told to come back; no more than the queue are kept."""
    app, backend = slow_app(model, 0.02, queue_size=16)
    config = uvicorn.Config(app, port=0, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=address, limits=httpx.Limits(max_connections=200), timeout=60) as client:
        with ThreadPoolExecutor(200) as pool:
            ask = lambda _: client.post("/api/translate", json={"text": "ddwaa"})  # noqa: E731
            responses = list(pool.map(ask, range(200)))
        after = client.post("/api/translate", json={"text": "ddwaa"}).status_code
    server.should_exit = True
    thread.join()
    codes = [response.status_code for response in responses]
    assert set(codes) == {200, 429}, "translated, or told to come back"
    assert codes.count(200) >= 16 and after == 200
    assert all(response.headers["retry-after"] for response in responses if response.status_code == 429)
    assert max(backend.sizes) > 1, "those that wait are translated together"


@pytest.mark.parametrize(
    "flags, words",
    [
        (["nowhere"], "nowhere: must be a translator folder"),
        (["x", "--beam", "0"], "`--beam` must be at least 1"),
        (["x", "--beam", "1000000"], "and at most 100"),
        (["x", "--timeout", "nan"], "`--timeout` must be at least 0.1"),
        (["x", "--timeout", "inf"], "`--timeout` must be at least 0.1"),
        (["x", "--port", "99999"], "at most 65535"),
        (["x", "--queue", "0"], "`--queue` must be at least 1"),
        (["x", "--timeout", "0"], "`--timeout` must be at least 0.1"),
    ],
)
def test_refusals_are_one_line(flags, words, capsys):
    try:
        status = serve.main(flags)
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2 and words in error and error.count("\n") == 1, error


def test_a_port_in_use_is_one_line(model, capsys):
    taken = serve.listen("127.0.0.1", 0)
    with taken:
        assert serve.main([str(model), "--port", str(taken.getsockname()[1])]) == 2
    error = capsys.readouterr().err
    assert "is in use; give another `--port`" in error and error.count("\n") == 1


@pytest.mark.parametrize("host, words", [("0.0.0.0", "every network"), ("192.0.2.7", "the network of 192.0.2.7")])
def test_an_address_for_others_is_warned_of(host, words, capsys):
    assert not serve.is_loopback(host) and all(map(serve.is_loopback, ("127.0.0.1", "localhost", "::1")))
    serve.warn_of(host)
    warning = capsys.readouterr().err
    assert words in warning and "no password" in warning and warning.count("\n") == 1
