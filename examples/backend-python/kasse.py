"""Calls Kasse, and verifies the events that it pushes. Needs Python 3.9 or later, and only its standard library."""
import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request


class NotSigned(ValueError):
    """The event has no valid signature, or its time is more than five minutes off: answer 401."""


def verify(secret, headers, body, now=None):
    """Verifies a pushed event and returns it. body has the unchanged bytes of the request. Raises NotSigned.

    Source: https://www.standardwebhooks.com
    """
    event_id, sent, given = (headers.get(f"webhook-{name}") or "" for name in ("id", "timestamp", "signature"))
    if not (sent.isdecimal() and len(sent) < 12 and abs((now or time.time()) - int(sent)) <= 300):
        raise NotSigned("the timestamp is missing or more than five minutes off")
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    digest = hmac.new(key, f"{event_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    wanted = base64.b64encode(digest)
    for signature in given.split(" "):  # one for each secret of the endpoint; one valid signature is enough
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), wanted):
            return json.loads(body)
    raise NotSigned("no signature is valid: the secret or the body does not fit")


class Refused(Exception):
    """An unsuccessful response. Decide by code; detail is for developers. Without a code it is not Kasse's."""

    def __init__(self, status, problem):
        self.status, self.code = status, problem.get("code", "")
        self.detail = problem.get("detail", "the response is not from Kasse")
        self.retryable = problem.get("retryable", status == 429 or status >= 500)
        self.oldest = problem.get("oldest")
        if self.code:
            text = f"{self.code} ({status}): {self.detail} [request {problem.get('request_id')}]"
        else:
            text = f"status {status}, and the response is not from Kasse: check KASSE_URL and the proxies"
        super().__init__(text)


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # a redirect would send the key elsewhere


class Client:
    def __init__(self, url, key):
        self._url, self._key = url.rstrip("/"), key
        self._opener = urllib.request.build_opener(NoRedirects)

    def call(self, method, path, body=None, idempotency_key=None, tries=3):
        """Sends a request and returns the body of the response.

        It sends the request again after a network error and after a retryable refusal, at most tries times in all, or
        without limit with tries=0: every request is safe to repeat. It raises Refused, or OSError without an answer.
        """
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
