"""Plays the whole workflow on this machine: the unmodified ShopifyAPI client first checks the fake, then a merchant
installs through Handfast.

    python run_workflow.py ../../target/debug/handfast
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import httpx
import shopify
import uvicorn

from fake_shopify import CLIENT_ID, CLIENT_SECRET, FakeShopify, sign

SCOPES = ["read_products", "write_orders"]


def main(handfast_binary):
    with tempfile.TemporaryDirectory() as folder:
        fake = FakeShopify(folder)
        os.environ["SSL_CERT_FILE"] = fake.certificate
        library_checks_the_fake(fake)
        server, address = start_handfast(handfast_binary, folder, fake)
        try:
            merchant_installs(fake, address)
        finally:
            server.terminate()
            server.wait(timeout=10)
            fake.stop()
    print("the workflow holds")


def library_checks_the_fake(fake):
    """What the published client accepts, and what it refuses."""
    shopify.Session.setup(api_key=CLIENT_ID, secret=CLIENT_SECRET, myshopify_domain="0.0.1", port=fake.port)
    session = shopify.Session("127", "unstable")
    url = session.create_permission_url(SCOPES, "https://app.example.com/callback", "state-1")
    answer = httpx.get(url)
    params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))
    assert params["state"] == "state-1"
    try:
        shopify.Session("127", "unstable").request_token({**params, "shop": "other.myshopify.com"})
        raise AssertionError("a changed callback was accepted")
    except shopify.ValidationException:
        pass
    assert session.request_token(params).startswith("shpat_")
    assert set(session.access_scopes) == set(SCOPES), session.access_scopes


def start_handfast(binary, folder, fake):
    base = f"https://127.0.0.1:{fake.port}/{{shop}}/admin/oauth"
    entry = {
        "display_name": "Shopify on loopback",
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/access_token",
    }
    shown = subprocess.run([binary, "providers", "show", "shopify", "--json"], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    entry = {**json.loads(shown.stdout), **entry}
    for added in ("name", "redirect_uri"):
        entry.pop(added, None)
    config = f"danger_allow_private_addresses = true\n[providers]\nshopify = {toml(entry)}\n"
    with open(f"{folder}/handfast.toml", "w") as file:
        file.write(config)
    environment = {**os.environ, "HANDFAST_DATA_DIR": folder}
    server = subprocess.Popen([binary, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().strip().rsplit(" ", 1)[1]
    return server, address


def merchant_installs(fake, handfast):
    app_address = start_app(handfast)
    integration = {
        "config_key": "shopify",
        "provider_name": "shopify",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scopes": SCOPES,
        "install_url": f"{app_address}/install",
    }
    httpx.post(f"{handfast}/integrations", json=integration).raise_for_status()

    # The link from the provider's side leads to the application's page, which begins.
    link = sign({"shop": "my-store.myshopify.com", "timestamp": str(int(time.time()))})
    led = httpx.get(f"{handfast}/oauth/install/shopify?{link}")
    assert led.headers["location"] == f"{app_address}/install?shop=my-store", led.text
    assert "Install for my-store" in httpx.get(led.headers["location"]).text
    assert httpx.get(f"{handfast}/oauth/install/shopify?{link}x").status_code == 400

    # What the browser does at the click: the start request, the provider's page, the callback with the cookie.
    request = {"protocol": 1, "attempt_id": "a" * 22, "attempt_secret": "s" * 43, "connection_id": "my-store"}
    request |= {"params": {"shop": "my-store"}, "mode": "redirect", "return_to": f"{app_address}/connected?shop=my-store"}
    origin = {"origin": app_address}
    started = httpx.post(f"{handfast}/oauth/connect/shopify", data={"request": json.dumps(request)}, headers=origin)
    url = json.loads(re.search(r'id="data">(.*?)</script>', started.text).group(1))["url"]
    callback = httpx.get(url).headers["location"]
    cookie = started.headers["set-cookie"].split(";")[0]
    finished = httpx.get(callback, headers={"cookie": cookie})
    assert f"{app_address}/connected?shop=my-store" in finished.text.replace("\\u0026", "&"), finished.text
    redeemed = fake.requests[-1]
    assert set(redeemed) == {"client_id", "client_secret", "code", "code_verifier"}, redeemed

    # The backend calls the shop's API with the token that Handfast keeps.
    page = httpx.get(f"{app_address}/connected?shop=my-store")
    assert "My Store is installed" in page.text, page.text
    print(f"installed: {page.status_code}, token request: {sorted(redeemed)}")


def start_app(handfast):
    os.environ["HANDFAST_HOST"] = handfast
    import app

    # The library's shop on loopback is the address's first number.
    app.shop_address = lambda _shop: "127"
    server = uvicorn.Server(uvicorn.Config(app.app, host="127.0.0.1", port=0, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    deadline = time.monotonic() + 20
    while not (server.started and server.servers):
        assert time.monotonic() < deadline, "the application did not start"
        time.sleep(0.02)
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


def toml(value):
    """JSON as an inline TOML value: the same but for `=` in tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
