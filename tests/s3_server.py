"""A bucket as S3 serves it, on loopback: moto's server, in this process."""

from __future__ import annotations

import logging
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from pilot.processes import free_ports

KEY_ID, SECRET, REGION = "AKIAIOSFODNN7EXAMPLE", "a secret of the bucket", "eu-central-1"


class S3Server:
    """It can be stopped and started again, with all that it has, at the same address."""

    def __init__(self, bucket: str) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        [self._port] = free_ports(1)
        self.bucket = bucket
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self._server: Any = None
        self.start()
        self.client.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of `Settings` that lead here."""
        return {
            "pilot_payloads": f"s3://{self.bucket}/kept/here",
            "pilot_payloads_endpoint": self.endpoint,
            "pilot_payloads_region": REGION,
            "pilot_payloads_key_id": KEY_ID,
            "pilot_payloads_secret": SECRET,
        }

    def start(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def bodies(self) -> dict[str, bytes]:
        """All objects, by key."""
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {
            one["Key"]: self.client.get_object(Bucket=self.bucket, Key=one["Key"])["Body"].read()
            for one in found
        }
