// oauth4webapi, the strict library: both discovery documents, a client that signs with its own key, DPoP, and the
// access token validated as a resource server does (RFC 9068).
import { strict as assert } from "node:assert";
import { createInterface } from "node:readline/promises";
import * as oauth from "oauth4webapi";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function visit(url) {
  console.log(`visit ${url.href}`);
  return new URL((await lines.next()).value);
}

const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(process.env.ISSUER);
const redirect_uri = "http://127.0.0.1:9/callback";

async function discover(algorithm) {
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
  return oauth.processDiscoveryResponse(issuer, response);
}
const as = await discover("oidc");
assert.deepEqual(await discover("oauth2"), as);

const { publicKey, privateKey } = await oauth.generateKeyPair("ES256", { extractable: true });
const jwk = await crypto.subtle.exportKey("jwk", publicKey);
const registration = {
  redirect_uris: [redirect_uri],
  client_name: "oauth4webapi",
  token_endpoint_auth_method: "private_key_jwt",
  jwks: { keys: [{ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y, use: "sig" }] },
};
const registered = await oauth.dynamicClientRegistrationRequest(as, registration, insecure);
const client = await oauth.processDynamicClientRegistrationResponse(registered);
const authentication = oauth.PrivateKeyJwt(privateKey);

const verifier = oauth.generateRandomCodeVerifier();
const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
const url = new URL(as.authorization_endpoint);
for (const [name, value] of Object.entries({
  client_id: client.client_id,
  redirect_uri,
  response_type: "code",
  scope: "openid profile email",
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  max_age: "3600",
  state,
  nonce,
})) {
  url.searchParams.set(name, value);
}
const callback = oauth.validateAuthResponse(as, client, await visit(url), state);

const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
const response = await oauth.authorizationCodeGrantRequest(
  as,
  client,
  authentication,
  callback,
  redirect_uri,
  verifier,
  { DPoP, ...insecure },
);
const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
  expectedNonce: nonce,
  maxAge: 3600,
  requireIdToken: true,
});
await oauth.validateApplicationLevelSignature(as, response, insecure);
const claims = oauth.getValidatedIdTokenClaims(tokens);
assert.equal(claims.sub, "ada");

const info = await oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...insecure });
const user = await oauth.processUserInfoResponse(as, client, claims.sub, info);
assert.equal(user.email, "ada@example.com");

let request;
await oauth.protectedResourceRequest(
  tokens.access_token,
  "GET",
  new URL("https://api.example/documents"),
  undefined,
  undefined,
  {
    DPoP,
    [oauth.customFetch]: (address, options) => {
      request = new Request(address, options);
      return new Response();
    },
  },
);
const validated = await oauth.validateJwtAccessToken(as, request, issuer.href, insecure);
assert.equal(validated.sub, "ada");
assert.equal(validated.client_id, client.client_id);

const refresh = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, {
  DPoP,
  ...insecure,
});
const renewed = await oauth.processRefreshTokenResponse(as, client, refresh);
assert.notEqual(renewed.refresh_token, tokens.refresh_token);
process.exit(0);
