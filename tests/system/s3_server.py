"""A server with the API of S3, out of moto, which can be killed and comes back with the same objects.

moto keeps its objects in memory. So they are read before a process is killed, and a new one gets them again before a
client reaches it: clients come through a relay, which leads to the new process only then. Until then it closes every
connection, as the port of a server that is away does.
"""

import json
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import botocore.session
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tests.relay import Relay
from tests.system.conftest import until
from tests.worker.authority import Authority

BUCKET = "scans"
READING = ("s3:GetObject",)
ALL_OF_THE_STORE = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket")


class S3Server:
    """An S3 service on this machine, by TLS, whose requests have to be signed with its one key.

    Args:
        objects: the content of the bucket.
        allowed: what its key may do.
    """

    def __init__(
        self, folder: Path, authority: Authority, objects: dict[str, bytes], allowed: tuple[str, ...] = READING
    ) -> None:
        self._certificate, self._key = authority.certify("127.0.0.1")
        self._authority = authority
        self._objects = objects
        self._allowed = allowed
        self._port = 0
        self._log = folder / "s3.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._access: dict[str, str] = {}
        self.relay = Relay(("127.0.0.1", 0))

    def __enter__(self) -> Self:
        self.relay.__enter__()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.relay.__exit__(None, None, None)

    def start(self) -> None:
        """Start a process, store the objects, and let clients reach it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        self._port = port
        options = ["--port", str(port), "--ssl-cert", str(self._certificate), "--ssl-key", str(self._key)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", *options],
                env=os.environ,
                stdout=log,
                stderr=log,
            )
        s3 = self._client("s3", port)
        until(lambda: _is_there(s3), "the S3 server answers")
        s3.create_bucket(Bucket=BUCKET)
        for name, content in self._objects.items():
            s3.put_object(Bucket=BUCKET, Key=name, Body=content)
        self._require_signatures(port)
        self.relay.target = ("127.0.0.1", port)

    def _require_signatures(self, port: int) -> None:
        """Make a key with its rights, the same in every process, and refuse requests without a valid signature."""
        verify = ssl.create_default_context(cafile=self._authority.file)
        with httpx.Client(base_url=f"https://127.0.0.1:{port}/moto-api", verify=verify, trust_env=False) as moto:
            moto.post("/seed", params={"a": "1"}).raise_for_status()
            iam = self._client("iam", port)
            iam.create_user(UserName="ldnas")
            iam.put_user_policy(UserName="ldnas", PolicyName="own", PolicyDocument=self._policy())
            self._access = iam.create_access_key(UserName="ldnas")["AccessKey"]
            moto.post("/reset-auth", content=b"0").raise_for_status()

    def _policy(self) -> str:
        statement = {"Effect": "Allow", "Action": self._allowed, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    def kill_and_keep(self) -> None:
        """Kill it; the next process gets every object whose storing was answered."""
        self.relay.cut()  # an upload from here on gets no answer
        s3 = self.client()
        self._objects = {name: s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in self.names()}
        self.kill()

    def names(self, prefix: str = "") -> list[str]:
        """The objects below a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def client(self) -> Any:
        """A client with the one key, which does not pass through the relay."""
        return self._client("s3", self._port, self._access["AccessKeyId"], self._access["SecretAccessKey"])

    def kill(self) -> None:
        """SIGKILL: every connection breaks, and no further one is accepted."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def settings(self) -> dict[str, str]:
        """The variables of a service that may fetch from it."""
        return {
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{self.relay.port}",
            "AWS_ACCESS_KEY_ID": self._access["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._access["SecretAccessKey"],
            "LDNAS_REMOTE_HOSTS": f"127.0.0.1:{self.relay.port}",
            "SSL_CERT_FILE": str(self._authority.file),
        }

    def _client(self, service: str, port: int, key: str = "test", secret: str = "test") -> Any:
        return botocore.session.Session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=f"https://127.0.0.1:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            verify=str(self._authority.file),
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )


def _is_there(s3: Any) -> bool:
    try:
        s3.list_buckets()
    except BotoCoreError:
        return False
    return True
