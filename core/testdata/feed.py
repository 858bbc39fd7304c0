#!/usr/bin/env python3
"""A signed head, a page and the digest of what is in it, as docs/sync-protocol.md describes them: writes feed.json.

Run `python3 -B core/testdata/feed.py` after a change of the protocol; it needs the package `cryptography`.
`core/tests/all/feed.rs` reads the file.
"""

import base64
import datetime
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HASH = "4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def seconds(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp())


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def record_hash(kind: str, name: str, content: bytes) -> int:
    framed = b"".join(u64(len(part)) + part for part in (kind.encode(), name.encode(), content))
    return int.from_bytes(hashlib.sha256(framed).digest(), "little")


def valid_from(record) -> bytes:
    return u64(seconds(record["valid_from"]) + 1 if "valid_from" in record else 0)


def digest_of(kind: str, record) -> int:
    if kind == "role":
        return record_hash(kind, record, b"")
    if kind == "person":
        roles = "".join(f"{role}\n" for role in sorted(record["roles"]))
        content = bytes([record["active"]]) + valid_from(record) + roles.encode()
        return record_hash(kind, record["id"], content)
    if kind == "token":
        never = record["expires_at"] == "never"
        content = bytes.fromhex(record["hash"].removeprefix("sha256:"))
        content += u64(2**64 - 1 if never else seconds(record["expires_at"]))
        content += valid_from(record) + bytes([record["active"]]) + record["person"].encode()
        return record_hash(kind, record["id"], content)
    name = {"key": "kid", "service": "name", "public": "path"}.get(kind)
    return record_hash(kind, record[name] if name else "", compact(record))


RECORDS = [
    ("role", "integration"),
    ("role", "operators"),
    ("person", {"id": "p-7", "roles": ["operators", "integration"], "active": True}),
    (
        "person",
        {"id": "0000000000007", "roles": [], "active": False, "valid_from": "2026-11-02T03:04:05Z"},
    ),
    ("key", {"kid": "2026-11", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}),
    (
        "token",
        {
            "id": "0000000000009",
            "person": "p-7",
            "hash": f"sha256:{HASH}",
            "expires_at": "2027-01-01T00:00:00Z",
            "active": True,
            "valid_from": "2026-11-03T00:00:00Z",
        },
    ),
    (
        "token",
        {
            "id": "t-9",
            "person": "p-7",
            "hash": f"sha256:{HASH[::-1]}",
            "expires_at": "never",
            "active": False,
        },
    ),
    (
        "service",
        {
            "name": "orders",
            "hosts": ["api.example.com"],
            "base_path": "/orders",
            "forward": "strip",
            "accept": ["access"],
            "case": "sensitive",
            "preflight": "refuse",
            "audience": {"mode": "restricted", "roles": ["operators"]},
            "methods": [
                {
                    "name": "list",
                    "http": ["GET"],
                    "path": "/",
                    "audience": {"mode": "restricted", "persons": ["p-7"], "enforce": True},
                }
            ],
        },
    ),
    ("public", {"http": ["GET"], "path": "/healthz", "authorization": "strip"}),
    ("bypass", {"role": "operators"}),
]


def main() -> None:
    lines = [{"format": 1}] + [{"put": {kind: record}} for kind, record in RECORDS]
    # What is put and taken away again leaves nothing in the digest.
    lines += [{"put": {"role": "gone"}}, {"delete": {"role": "gone"}}]
    page = b"".join(compact(line) + b"\n" for line in lines)
    digest = 0
    digests = []
    for kind, record in RECORDS:
        digest = (digest + digest_of(kind, record)) % 2**256
        digests.append(f"{digest:064x}")

    nonce = base64url(bytes(range(16)))
    head = compact(
        {
            "feed": "default",
            "epoch": 1,
            "revision": 42,
            "digest": digests[-1],
            "nonce": nonce,
            "issued_at": "2026-11-24T12:00:00Z",
            "reset": True,
            "pages": [hashlib.sha256(page).hexdigest()],
        }
    )
    secret = bytes(range(32))
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = key.sign(b"postern-head-v1\0" + head)
    vector = {
        "secret_key": f"ed25519-secret:{base64url(secret)}",
        "public_key": f"ed25519:{base64url(public)}",
        "nonce": nonce,
        "head": head.decode(),
        "signature": f"{hashlib.sha256(public).hexdigest()[:16]}={base64url(signature)}",
        "page": page.decode(),
        "digests": digests,
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()
