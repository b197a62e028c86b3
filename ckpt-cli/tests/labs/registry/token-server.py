"""Gives tokens for a registry: distribution's "Token Authentication Specification", with openssl for the signatures.

token-server.py PORT FOLDER: FOLDER has server.key and server.crt. Notes each request in FOLDER/asked. Its first token for a
repository has expired.
"""

import base64
import json
import ssl
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlparse

port, folder = int(sys.argv[1]), sys.argv[2]
certificate = subprocess.run(
    ["openssl", "x509", "-in", f"{folder}/server.crt", "-outform", "der"], capture_output=True, check=True
).stdout
given = 0


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(service, scope):
    global given
    access = []
    if scope:
        given += 1
        kind, name, actions = scope.split(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(certificate).decode()]}
    claims = {
        "iss": "lab",
        "sub": "me",
        "aud": service,
        "exp": 1 if scope and given == 1 else now + 300,
        "nbf": 0,
        "iat": 0,
        "jti": str(given),
        "access": access,
    }
    signed = ".".join(url64(json.dumps(part).encode()) for part in [head, claims])
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", f"{folder}/server.key"],
        input=signed.encode(),
        capture_output=True,
        check=True,
    ).stdout
    return f"{signed}.{url64(signature)}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
        service, scope = query.get("service"), query.get("scope")
        with open(f"{folder}/asked", "a") as asked:
            asked.write(f"{service} {scope}\n")
        expected = "Basic " + base64.b64encode(b"me:secret").decode()
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.end_headers()
            return
        body = json.dumps({"token": token(service, scope)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("localhost", port), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/server.crt", f"{folder}/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
