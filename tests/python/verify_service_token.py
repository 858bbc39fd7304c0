"""Verifies a service token with PyJWT and the gateway's key set; prints what it saw as JSON."""

import json
import os

import jwt

token, audience, issuer = (os.environ[name] for name in ("TOKEN", "AUDIENCE", "ISSUER"))
keys = jwt.PyJWKClient(os.environ["JWKS_URL"])
key = keys.get_signing_key_from_jwt(token).key


def verify(token, audience):
    return jwt.decode(token, key, algorithms=["EdDSA"], audience=audience, issuer=issuer)


def refusal(token, audience):
    try:
        verify(token, audience)
    except jwt.InvalidTokenError as refused:
        return type(refused).__name__


head, payload, signature = token.split(".")
middle = len(payload) // 2
other = "A" if payload[middle] != "A" else "B"
tampered = ".".join((head, payload[:middle] + other + payload[middle + 1 :], signature))

print(
    json.dumps(
        {
            "claims": verify(token, audience),
            "typ": jwt.get_unverified_header(token)["typ"],
            "tampered": refusal(tampered, audience),
            "other_audience": refusal(token, "edge/files"),
        }
    )
)
