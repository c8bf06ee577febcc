// Verifies messages with the official library: the secret, then a file of lines with headers and body.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const [secret, file] = process.argv.slice(2);
const webhook = new Webhook(secret);
const verified = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line))
  .map(({ headers, body }) => {
    try {
      return webhook.verify(body, headers).type;
    } catch (error) {
      return error.constructor.name;
    }
  });
console.log(JSON.stringify({ verified }));
