"""python3 -m unittest"""
import unittest

import kasse

# The test vector of the reference libraries: https://github.com/standard-webhooks/standard-webhooks
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
SIGNED_AT = 1614265330
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(SIGNED_AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


class Verify(unittest.TestCase):
    def accepts(self, headers, now=SIGNED_AT):
        self.assertEqual(kasse.verify(SECRET, headers, BODY, now), {"test": 2432232314})

    def refuses(self, headers, secret=SECRET, body=BODY, now=SIGNED_AT):
        with self.assertRaises(kasse.NotSigned):
            kasse.verify(secret, headers, body, now)

    def test_signed(self):
        self.accepts(HEADERS)
        self.accepts(HEADERS, now=SIGNED_AT + 300)
        self.accepts(HEADERS, now=SIGNED_AT - 300)

    def test_rotation(self):
        """During a rotation the header has one signature for each secret."""
        signature = HEADERS["webhook-signature"]
        self.accepts(dict(HEADERS, **{"webhook-signature": "v1,b3RoZXI= v1a,b3RoZXI= " + signature}))

    def test_too_old_or_new(self):
        self.refuses(HEADERS, now=SIGNED_AT + 301)
        self.refuses(HEADERS, now=SIGNED_AT - 301)
        self.refuses(HEADERS, now=None)  # the system clock

    def test_changed(self):
        self.refuses(HEADERS, body=BODY + b" ")
        self.refuses(HEADERS, secret="whsec_a2Fzc2Uga2Fzc2Uga2Fzc2Uga2Fzc2Uga2Fzc2U=")
        self.refuses(dict(HEADERS, **{"webhook-id": "msg_other"}))
        self.refuses(dict(HEADERS, **{"webhook-timestamp": str(SIGNED_AT + 1)}))

    def test_malformed(self):
        for name in HEADERS:
            self.refuses({key: value for key, value in HEADERS.items() if key != name})
        bare = HEADERS["webhook-signature"][3:]
        for signature in ("", "v1", "v1,", ",", "v2," + bare, bare, "v1,é"):
            self.refuses(dict(HEADERS, **{"webhook-signature": signature}))
        for timestamp in ("", "x", "-1", "1614265330.0", " 1614265330", "9" * 10000, "²"):
            self.refuses(dict(HEADERS, **{"webhook-timestamp": timestamp}))


if __name__ == "__main__":
    unittest.main()
