#!/usr/bin/env python3
"""An access token as DESIGN describes it (RFC 7515, RFC 9068), from the standard library alone: writes access_token.json.

Run `python3 -B core/testdata/access_token.py` after a change of the format; the unit tests of `core/src/access_token.rs`
read the file.
"""

import hashlib
import hmac
import json
import pathlib

from derive import base64url, derive, secret

ISSUER = "https://api.example.com"
TOKEN_AUDIENCE = "edge"
KID = "2026-11"


def compact(value) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def main():
    root = secret("short", 32)
    jti = bytes(range(0xF0, 0x100))
    iat = 1_793_491_200  # 2026-11-01T00:00:00Z
    claims = {
        "iss": ISSUER,
        "sub": "p-7",
        "aud": TOKEN_AUDIENCE,
        "iat": iat,
        "exp": iat + 300,
        "jti": base64url(jti),
        "client_id": "t-9",
    }
    header = base64url(compact({"alg": "HS256", "typ": "at+jwt", "kid": KID}))
    signing_input = f"{header}.{base64url(compact(claims))}"
    key = derive(root, ISSUER, TOKEN_AUDIENCE, KID, "access")
    signature = hmac.new(key, signing_input.encode(), hashlib.sha256).digest()
    out = {
        "root": base64url(root),
        "kid": KID,
        "jti_bytes": list(jti),
        "claims": claims,
        "token": f"{signing_input}.{base64url(signature)}",
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
