"""A model behind HTTP as a black box: a real server in this process, which answers in JSON."""

import http.server
import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

import tfxai

W = 0.1 * np.array([[1.0, -2.0, 0.5], [3.0, 0.0, 1.0], [-1.0, 4.0, 2.0], [0.5, 1.0, -3.0]])  # (features, classes)
X = np.array([[1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 2.0, 0.0], [2.0, -2.0, 1.0, 1.0]])


class Handler(http.server.BaseHTTPRequestHandler):
    """POST {"instances": rows} -> {"predictions": their scores}, of at most 8 rows."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        rows = np.array(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"])
        self.server.rows.append(len(rows))
        status = 413 if len(rows) > 8 else 200
        body = json.dumps(
            {"predictions": np.tanh(rows @ W).tolist()} if status == 200 else {"error": "too many"}
        ).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.rows = []
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def asked(server):
    server.rows.clear()

    def function(x):
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}", json.dumps({"instances": x.tolist()}).encode()
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["predictions"]

    return function


@pytest.mark.parametrize("method", ["occlusion", "shapley_sampling", "kernel_shap", "lime", "rise"])
def test_what_a_service_says_is_explained_as_the_function_behind_it(method, asked, server):
    options = {"samples": 20} if method in ("lime", "rise") else {}
    e = tfxai.explain(tfxai.black_box(asked, batch_size=8), X, method, "b", seed=0, labels=list("abc"), **options)
    here = tfxai.explain(tfxai.black_box(lambda x: np.tanh(x @ W)), X, method, 1, seed=0, **options)
    np.testing.assert_allclose(e.values, here.values, atol=1e-12)
    np.testing.assert_allclose(e.score, np.tanh(X @ W)[:, 1])
    assert max(server.rows) <= 8 and e.target.tolist() == [1, 1, 1]


def test_a_metric_of_a_service(asked, server):
    boxes = tfxai.black_box(asked, batch_size=8), tfxai.black_box(lambda x: np.tanh(x @ W))
    there, here = (tfxai.evaluate(box, X, ["occlusion"], ["deletion"], target=1, seed=0) for box in boxes)
    for name in ("occlusion", "random"):
        np.testing.assert_allclose(there.values[name]["deletion"], here.values[name]["deletion"], atol=1e-12)
    assert max(server.rows) <= 8


def test_its_errors_come_through_with_how_many_rows_it_was_asked(asked):
    box = tfxai.black_box(asked, name="service")
    with pytest.raises(urllib.error.HTTPError, match="413") as caught:
        tfxai.explain(box, X, "occlusion", 1)
    caught.value.close()
    assert "black box 'service'" in caught.value.__notes__[0] and "(12, 4) float64" in caught.value.__notes__[0]
