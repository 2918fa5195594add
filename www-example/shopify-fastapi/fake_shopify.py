"""A Shopify of one's own, over TLS on loopback: authorization page, token endpoint, one API call, install links."""

import hashlib
import hmac
import http.server
import json
import secrets
import ssl
import subprocess
import threading
import time
import urllib.parse

CLIENT_ID, CLIENT_SECRET = "api-key-1", "shpss-secret-1"


def sign(params: dict) -> str:
    """The query of these parameters with Shopify's signature."""
    escape = lambda text: text.replace("%", "%25").replace("&", "%26")
    pairs = sorted(f"{escape(name).replace('=', '%3D')}={escape(value)}" for name, value in params.items())
    digest = hmac.new(CLIENT_SECRET.encode(), "&".join(pairs).encode(), hashlib.sha256).hexdigest()
    return urllib.parse.urlencode({**params, "hmac": digest})


class FakeShopify:
    def __init__(self, folder):
        self.codes, self.tokens, self.requests = {}, set(), []
        self.certificate = f"{folder}/certificate.pem"
        key = f"{folder}/key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=fake Shopify"]
            + ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
            + ["-keyout", key, "-out", self.certificate],
            check=True,
            capture_output=True,
        )
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                fake.get(self)

            def do_POST(self):
                fake.post(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, request):
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path.endswith("/admin/oauth/authorize"):
            assert query["client_id"] == CLIENT_ID, query
            # The library's own shop is the loopback address; ours is the first step of the path.
            shop = url.path.split("/")[1].replace("admin", "127") + ".myshopify.com"
            code = secrets.token_hex(16)
            self.codes[code] = query
            params = {"code": code, "shop": shop, "state": query["state"], "timestamp": str(int(time.time()))}
            return self.answer(request, 302, location=f"{query['redirect_uri']}?{sign(params)}")
        if url.path.endswith("/shop.json") and request.headers.get("X-Shopify-Access-Token") in self.tokens:
            return self.answer(request, 200, {"shop": {"id": 1, "name": "My Store"}})
        return self.answer(request, 401, {"errors": "[API] Invalid API key or access token"})

    def post(self, request):
        body = request.rfile.read(int(request.headers["content-length"])).decode()
        form = dict(urllib.parse.parse_qsl(body))
        self.requests.append(form)
        asked = self.codes.pop(form.get("code"), None)
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not (request.path.split("?")[0].endswith("/admin/oauth/access_token") and asked and known):
            return self.answer(request, 400, {"error": "invalid_request"})
        token = "shpat_" + secrets.token_hex(16)
        self.tokens.add(token)
        return self.answer(request, 200, {"access_token": token, "scope": asked["scope"]})

    @staticmethod
    def answer(request, status, body=None, location=None):
        text = json.dumps(body).encode() if body else b""
        request.send_response(status)
        if location:
            request.send_header("location", location)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def stop(self):
        self.server.shutdown()
