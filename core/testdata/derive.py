#!/usr/bin/env python3
"""Key derivation as DESIGN describes it, from RFC 5869 alone: writes derive.json.

Run `python3 -B core/testdata/derive.py` after a change of the format; the unit tests of `core/src/derive.rs` read the file.
"""

import base64
import hashlib
import hmac
import json
import pathlib

SALT = b"postern/v1"


def hkdf_sha256(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, 2.2 and 2.3."""
    prk = hmac.new(salt, secret, hashlib.sha256).digest()
    okm = block = b""
    counter = 1
    while len(okm) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        okm += block
        counter += 1
    return okm[:length]


def derive(secret: bytes, issuer: str, token_audience: str, kid: str, purpose: str) -> bytes:
    info = b""
    for field in (issuer, token_audience, kid, purpose):
        data = field.encode()
        info += len(data).to_bytes(2, "big") + data
    return hkdf_sha256(secret, SALT, info, 32)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def secret(name: str, length: int) -> bytes:
    """Test secrets that look random and can be made again."""
    return hashlib.shake_256(f"postern test vector {name}".encode()).digest(length)


def vectors():
    short, long = secret("short", 32), secret("long", 64)
    issuer = "https://api.example.com"
    yield "access tokens of the sample configuration", short, issuer, "edge", "2026-11", "access"
    yield "the same for service tokens", short, issuer, "edge", "2026-11", "service"
    yield "the same for what workers share", short, issuer, "edge", "2026-11", "local"
    yield "another kid", short, issuer, "edge", "2026-12", "access"
    yield "another token audience", short, issuer, "edge-2", "2026-11", "access"
    yield "another issuer", short, "https://api.example.org", "edge", "2026-11", "access"
    yield "a root of 64 bytes", long, issuer, "edge", "2026-11", "access"
    yield "a letter moved from issuer to token audience", short, "https://api.example.co", "medge", "2026-11", "access"
    yield "empty fields", short, "", "", "", "access"
    yield "lengths are bytes, not characters", short, "https://bücher.example", "edge", "2026-11", "access"
    yield "a length with a first byte", short, "https://" + "a" * 300 + ".example", "edge", "2026-11", "access"


def self_test():
    """RFC 5869, A.1."""
    okm = hkdf_sha256(bytes([0x0B] * 22), bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    assert okm.hex().startswith("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"), okm.hex()


def main():
    self_test()
    out = [
        {
            "comment": comment,
            "root": base64url(root),
            "issuer": issuer,
            "token_audience": token_audience,
            "kid": kid,
            "purpose": purpose,
            "key": base64url(derive(root, issuer, token_audience, kid, purpose)),
        }
        for comment, root, issuer, token_audience, kid, purpose in vectors()
    ]
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
