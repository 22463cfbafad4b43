// src/api/schema.d.ts from the API's OpenAPI document on stdin; `--check` only says whether it is
// current. Headers, links and errors (all of them ProblemOut) are left out: the client reads none
// of them by type, and they are two thirds of the file.
import { readFileSync, writeFileSync } from "node:fs"
import openapi, { astToString } from "openapi-typescript"

// a field with a default may be left out of a request
const options = { defaultNonNullable: false }
const target = new URL("src/api/schema.d.ts", import.meta.url)
process.stdin.setEncoding("utf8")
let given = ""
for await (const chunk of process.stdin) given += chunk
const document = JSON.parse(given)
for (const operations of Object.values(document.paths)) {
  for (const operation of Object.values(operations)) {
    for (const [status, response] of Object.entries(operation.responses)) {
      if (Number(status) >= 400) delete operation.responses[status]
      delete response.headers
      delete response.links
    }
  }
}
delete document.components.headers
const types = astToString(await openapi(document, options))
const text = `// Made by \`make api-types\` from the API's OpenAPI document.\n\n${types}`
if (!process.argv.includes("--check")) {
  writeFileSync(target, text)
} else if (readFileSync(target, "utf8") !== text) {
  console.error("web/src/api/schema.d.ts is not what the API says: run `make api-types`")
  process.exit(1)
}
