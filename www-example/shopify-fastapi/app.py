"""A shop installs the app, grants access through Handfast, and the backend calls its API with a fresh token.

The whole exchange (signed callback, state, code, token, renewal) is Handfast's; this program never sees a client secret.
"""

import html
import os
import re

import httpx
import shopify
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

HANDFAST = os.environ.get("HANDFAST_HOST", "http://localhost:3004")
API_KEY = os.environ.get("HANDFAST_API_KEY")
CONFIG_KEY = os.environ.get("CONFIG_KEY", "shopify")
API_VERSION = "unstable"
SHOP = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]")

app = FastAPI()
app.mount("/pkg", StaticFiles(directory=os.environ.get("HANDFAST_PKG", "../../pkg"), check_dir=False))

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>My app</title><style>body {{ font: 1rem/1.5 system-ui; max-width: 34rem; margin: 3rem auto; padding: 0 1rem }}
:root {{ color-scheme: light dark }}</style><body>{body}"""

# The page that begins is also the `install_url` of the integration: links from Shopify's side lead here.
CONNECT = """<h1>Install for {shop}</h1>
<p><button id="connect" data-host="{host}" data-config-key="{config_key}" data-shop="{shop}" data-token="{token}">Connect</button>
<p id="problem">
<script src="/pkg/handfast.global.js"></script>
<script>
const button = document.getElementById('connect');
button.addEventListener('click', () => {{
  const {{ host, configKey, shop, token }} = button.dataset;
  const returnTo = new URL('/connected?shop=' + shop, location.href).href;
  new Handfast(host)
    .connect(configKey, shop, {{ mode: 'redirect', returnTo, params: {{ shop }}, connectToken: token || undefined }})
    .catch(error => {{ document.getElementById('problem').textContent = error.message; }});
}});
</script>"""


@app.get("/", response_class=HTMLResponse)
async def home():
    form = '<h1>My app</h1><form action="/install"><label>Your shop <input name="shop" placeholder="my-store"></label> '
    return PAGE.format(body=form + "<button>Go on</button></form>")


@app.get("/install", response_class=HTMLResponse)
async def install(shop: str):
    shop = checked(shop)
    token = await connect_token(shop) if API_KEY else ""
    values = {"shop": shop, "host": HANDFAST, "config_key": CONFIG_KEY, "token": token}
    return PAGE.format(body=CONNECT.format(**{name: html.escape(value) for name, value in values.items()}))


@app.get("/connected", response_class=HTMLResponse)
async def connected(shop: str):
    shop = checked(shop)
    with shopify.Session.temp(shop_address(shop), API_VERSION, await access_token(shop)):
        name = shopify.Shop.current().name
    return PAGE.format(body=f"<h1>Connected</h1><p>{html.escape(name)} is installed.")


async def access_token(shop: str) -> str:
    """A token that is good for a while: Handfast renews it where it is due."""
    async with httpx.AsyncClient(base_url=HANDFAST, headers=authorization()) as handfast:
        answer = await handfast.get(f"/connections/{shop}", params={"config_key": CONFIG_KEY})
    if answer.status_code == 404:
        raise HTTPException(404, f"{shop} is not connected yet")
    answer.raise_for_status()
    return answer.json()["credentials"]["access_token"]


async def connect_token(shop: str) -> str:
    """Allows one connect, of this shop alone. Needed wherever the server is reachable from other machines."""
    pins = {"config_keys": [CONFIG_KEY], "connection_id": shop, "params": {"shop": shop}}
    async with httpx.AsyncClient(base_url=HANDFAST, headers=authorization()) as handfast:
        answer = await handfast.post("/connect/tokens", json=pins)
    answer.raise_for_status()
    return answer.json()["connect_token"]


def authorization() -> dict:
    return {"authorization": f"Bearer {API_KEY}"} if API_KEY else {}


def checked(shop: str) -> str:
    shop = shop.removesuffix(".myshopify.com")
    if not SHOP.fullmatch(shop):
        raise HTTPException(400, "shop must be the name of a shop, such as my-store")
    return shop


def shop_address(shop: str) -> str:
    return f"{shop}.myshopify.com"
