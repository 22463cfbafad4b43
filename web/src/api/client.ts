import createClient, { type Middleware } from "openapi-fetch"
import { problemOf } from "./problem"
import type { components, paths } from "./schema"

export type Schemas = components["schemas"]

type TokenSource = () => Promise<string | null>

let tokenSource: TokenSource = () => Promise.resolve(null)
let refused: () => void = () => undefined

/** Called once by the signed-in session: whose token requests carry, and what to do when the API
 * no longer takes it. */
export function signRequests(source: TokenSource, onRefused: () => void) {
  tokenSource = source
  refused = onRefused
}

/** The token of this moment, for what is no plain request (a WebSocket). */
export const currentToken = () => tokenSource()

const signing: Middleware = {
  async onRequest({ request }) {
    const token = await tokenSource()
    if (token) request.headers.set("Authorization", `Bearer ${token}`)
    return request
  },
  onResponse({ response }) {
    if (response.status === 401) refused()
  },
}

/** The typed client. Paths are those of the OpenAPI document. */
export const api = createClient<paths>({
  baseUrl: globalThis.location.origin,
  // looked up at each call, so that a test may put its own in place
  fetch: (request) => globalThis.fetch(request),
})
api.use(signing)

interface Answer<T> {
  data?: T | undefined
  error?: unknown
  response: Response
}

/** The body of an answer; throws a `Problem` for every other one. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await reached(answer)
  if (!response.ok) throw problemOf(response.status, error)
  return data as T
}

/** As `unwrap`, with the answer's `ETag`. */
export async function unwrapTagged<T>(
  answer: Promise<Answer<T>>,
): Promise<{ body: T; etag: string | null }> {
  const found = await reached(answer)
  if (!found.response.ok) throw problemOf(found.response.status, found.error)
  return { body: found.data as T, etag: found.response.headers.get("etag") }
}

async function reached<T>(answer: Promise<Answer<T>>): Promise<Answer<T>> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error
    throw problemOf(0, null)
  }
}
