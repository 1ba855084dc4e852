// The receiver in Node.js: verify, put unless it is there, enqueue. The Runtime API is asked by a plain loop, with less
// in it than Lambda's own runtime has.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import http from "node:http";

import { ConditionalCheckFailedException, DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const { HOOKLEDGER_TABLE: TABLE, HOOKLEDGER_QUEUE_RUNPAYMENTS: QUEUE, HOOKLEDGER_SECRET_RUNPAYMENTS: SECRET } = process.env;
const SECRET_LIFE_MS = 300_000;
const dynamodb = new DynamoDBClient({});
const sqs = new SQSClient({});
const secrets = new SecretsManagerClient({});

let cached = { keys: [], readAt: 0 };

async function keys() {
  if (Date.now() - cached.readAt > SECRET_LIFE_MS) {
    const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: SECRET }));
    cached = { keys: JSON.parse(SecretString).signing_secrets.map((secret) => secret.value), readAt: Date.now() };
  }
  return cached.keys;
}

function answer(statusCode, status) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify({ status }) };
}

function bodyOf(event) {
  const text = event.body ?? "";
  if (!event.isBase64Encoded) return Buffer.from(text);
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, "base64") : null;
}

async function genuine(event, body) {
  const header = Buffer.from(event.headers?.["x-webhook-signature-256"] ?? "");
  for (const key of await keys()) {
    const expected = Buffer.from("sha256=" + createHmac("sha256", key).update(body).digest("hex"));
    if (expected.length === header.length && timingSafeEqual(expected, header)) return true;
  }
  return false;
}

function identity(body) {
  try {
    const key = JSON.parse(body).metadata.idempotency_key;
    return typeof key === "string" && key !== "" ? key : null;
  } catch {
    return null;
  }
}

async function handle(event) {
  const body = bodyOf(event);
  if (body === null) return answer(503, "unreadable");
  if (!(await genuine(event, body))) return answer(403, "refused");
  const known = identity(body);
  const key = known ?? "unreadable#" + createHash("sha256").update(body).digest("hex");
  const state = known === null ? "parked" : "open";
  const Item = { pk: { S: `event#${key}` }, sk: { S: "event" }, state: { S: state }, body: { B: body } };
  try {
    await dynamodb.send(new PutItemCommand({ TableName: TABLE, Item, ConditionExpression: "attribute_not_exists(pk)" }));
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return answer(200, "duplicate");
    throw error;
  }
  if (state === "open") {
    await sqs.send(new SendMessageCommand({ QueueUrl: QUEUE, MessageBody: JSON.stringify({ pk: `event#${key}` }) }));
  }
  return answer(200, "received");
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime${path}` }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

await keys();
for (;;) {
  const { headers, body } = await ask("GET", "/invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  try {
    await ask("POST", `/invocation/${id}/response`, JSON.stringify(await handle(JSON.parse(body))));
  } catch (error) {
    await ask("POST", `/invocation/${id}/error`, JSON.stringify({ errorMessage: String(error), errorType: "Error" }));
  }
}
