"""Calls Kasse, and verifies the events that it pushes. Python 3.9 or later, nothing but the standard library."""
import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request


class NotSigned(ValueError):
    """Kasse did not sign the event within the last five minutes: answer 401."""


def verify(secret, headers, body, now=None):
    """Returns the event in body, the unchanged bytes of the request. https://www.standardwebhooks.com"""
    event_id, sent, given = (headers.get(f"webhook-{name}") or "" for name in ("id", "timestamp", "signature"))
    if not (sent.isdecimal() and len(sent) < 12 and abs((now or time.time()) - int(sent)) <= 300):
        raise NotSigned("the timestamp is missing or more than five minutes off")
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    digest = hmac.new(key, f"{event_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    wanted = base64.b64encode(digest)
    for signature in given.split(" "):  # one for each secret of the endpoint; one that fits is enough
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), wanted):
            return json.loads(body)
    raise NotSigned("no signature fits")


class Refused(Exception):
    """An unsuccessful response. Decide by code; detail is for developers."""

    def __init__(self, status, problem):
        self.status, self.code, self.detail = status, problem.get("code", ""), problem.get("detail", "not from Kasse")
        self.retryable = problem.get("retryable", status == 429 or status >= 500)
        self.oldest = problem.get("oldest")
        super().__init__(f"{self.code} ({status}): {self.detail} [request {problem.get('request_id')}]")


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # a redirect would send the key elsewhere


class Client:
    def __init__(self, url, key):
        self._url, self._key = url.rstrip("/"), key
        self._opener = urllib.request.build_opener(NoRedirects)

    def call(self, method, path, body=None, idempotency_key=None, tries=3):
        """Sends a request, and retries it: every request is safe to repeat. tries=0 retries without limit."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        data = None if body is None else json.dumps(body).encode()
        attempt = 0
        while True:
            attempt += 1
            pause = min(2 ** min(attempt - 1, 5), 30)
            request = urllib.request.Request(self._url + path, data, headers, method=method)
            try:
                with self._opener.open(request, timeout=60) as answer:  # the feed is a long poll of up to 25 s
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                refused = refusal(error)
                if not refused.retryable or attempt == tries:
                    raise refused from None
                pause = int(error.headers.get("Retry-After") or pause)
            except OSError:  # no answer
                if attempt == tries:
                    raise
            time.sleep(pause)


def refusal(error):
    try:
        problem = json.load(error)
    except ValueError:  # a proxy's page
        problem = {}
    return Refused(error.code, problem)
