import type { Schemas } from "./client"

export type Issue = Schemas["IssueOut"]

/** An `application/problem+json` answer, or (status 0) a server that cannot be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly issues: Issue[] = [],
    readonly current: Schemas["CurrentOut"] | null = null,
  ) {
    super(message)
    this.name = "Problem"
  }
}

interface Body {
  code?: string
  title?: string
  detail?: string
  issues?: Issue[]
  current?: Schemas["CurrentOut"]
}

export function problemOf(status: number, body: unknown): Problem {
  if (status === 0) return new Problem(0, "unreachable", "The server cannot be reached.")
  const said = (typeof body === "object" && body !== null ? body : {}) as Body
  const message = said.detail ?? said.title ?? `The server answers ${status}.`
  return new Problem(status, said.code ?? "unknown", message, said.issues, said.current ?? null)
}

/** What to tell a person about anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
