"""Calls with a real gRPC client; prints the status that it saw of each as JSON."""

import json
import os

import grpc

channel = grpc.insecure_channel(os.environ["ADDRESS"], [("grpc.default_authority", "127.0.0.1")])


def call(path, token, authority=None):
    metadata = [("authorization", f"Bearer {token}")] if token else []
    try:
        method = channel.unary_unary(path)
        method(b"", metadata=metadata, timeout=20)
    except grpc.RpcError as refused:
        return [refused.code().value[0], refused.details()]


calls = json.loads(os.environ["CALLS"])
print(json.dumps({name: call(path, token) for name, (path, token) in calls.items()}))
