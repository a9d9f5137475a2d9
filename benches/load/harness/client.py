"""A small client of the HTTP API, for preparing what is measured."""

import http.client
import json
import urllib.parse

from . import payloads
from .failure import Failure

PASSWORD = "a long password"
OPERATOR, RECEIVER = "olivia", "carl"


class Client:
    """Calls one server over one connection."""

    def __init__(self, url):
        self.url = url
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=120)

    def call(self, method, path, body=None, token=None, content_type="application/json"):
        """The answer's JSON; anything but success is a failure."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = content_type
        if isinstance(body, dict):
            body = json.dumps(body)
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise Failure(f"{method} {path} was answered with {answer.status}: {content[:300]!r}")
        return json.loads(content)

    def register(self):
        """An operations user and a client."""
        for name, operations in ((OPERATOR, True), (RECEIVER, False)):
            self.call("POST", "/register", {
                "username": name, "email": f"{name}@example.org", "password": PASSWORD,
                "is_operation_user": operations,
            })

    def login(self, name):
        """An access token."""
        return self.call("POST", "/login", {"username": name, "password": PASSWORD})["access_token"]

    def upload(self, token, name, content):
        """The stored file's id."""
        form = payloads.form_head(name) + content + payloads.FORM_TAIL
        answer = self.call("POST", "/upload", form, token, payloads.FORM_TYPE)
        return answer["file"]["id"]

    def link(self, token, file):
        """A download link."""
        path = f"/generate_download_url/{file}"
        return self.call("GET", path, token=token)["download_url"]

    def close(self):
        self.connection.close()


class Account:
    """The access tokens of the two users, and the ids of the files they have."""

    def __init__(self, operator, receiver):
        self.operator, self.receiver = operator, receiver
        self.small, self.large = [], None
