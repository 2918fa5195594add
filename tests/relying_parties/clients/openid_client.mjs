// openid-client: registers itself, signs a user in, refreshes, asks userinfo, then does it again with DPoP.
import { strict as assert } from "node:assert";
import { createInterface } from "node:readline/promises";
import * as client from "openid-client";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function visit(url) {
  console.log(`visit ${url.href}`);
  return new URL((await lines.next()).value);
}

const issuer = new URL(process.env.ISSUER);
const redirect_uri = "http://127.0.0.1:9/callback";
const config = await client.dynamicClientRegistration(
  issuer,
  { redirect_uris: [redirect_uri], client_name: "openid-client" },
  undefined,
  { execute: [client.allowInsecureRequests] },
);
assert.equal(config.serverMetadata().issuer, issuer.href);

async function signIn(options) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const parameters = {
    redirect_uri,
    scope: "openid profile email",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  };
  const callback = await visit(client.buildAuthorizationUrl(config, parameters));
  return client.authorizationCodeGrant(
    config,
    callback,
    { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true },
    undefined,
    options,
  );
}

const tokens = await signIn();
const { sub } = tokens.claims();
assert.equal(sub, "ada");
const user = await client.fetchUserInfo(config, tokens.access_token, sub);
assert.equal(user.email, "ada@example.com");
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
assert.notEqual(renewed.refresh_token, tokens.refresh_token);
await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
await assert.rejects(client.fetchUserInfo(config, renewed.access_token, sub), { status: 401 });

const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
const bound = await signIn({ DPoP });
assert.equal(bound.token_type, "dpop");
assert.equal((await client.fetchUserInfo(config, bound.access_token, "ada", { DPoP })).sub, "ada");
await assert.rejects(client.fetchUserInfo(config, bound.access_token, "ada"), { status: 401 });
process.exit(0);
