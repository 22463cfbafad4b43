/** The pasted or linked token: the one secret that the page keeps between loads. */
const KEY = "pilot.token"

export interface Claims {
  sub: string
  /** Seconds since 1970. */
  exp: number | null
}

/** What a JWT says of itself, unchecked: the API checks it. Null for what is no JWT. */
export function claimsOf(token: string): Claims | null {
  const part = token.split(".")[1]
  if (part === undefined) return null
  try {
    const bytes = Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (c) =>
      c.charCodeAt(0),
    )
    const body = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    if (typeof body.sub !== "string") return null
    return { sub: body.sub, exp: typeof body.exp === "number" ? body.exp : null }
  } catch {
    return null
  }
}

export function isExpired(token: string, now = Date.now()): boolean {
  const exp = claimsOf(token)?.exp ?? null
  return exp !== null && exp * 1000 <= now
}

/** Takes a token off the address (`#token=…`), as `pilot dev` links it, and keeps it. */
export function takeTokenFromAddress(location: Location, history: History): void {
  const given = new URLSearchParams(location.hash.slice(1)).get("token")
  if (given === null) return
  history.replaceState(history.state, "", location.pathname + location.search)
  if (given) keepToken(given)
}

export const keptToken = (): string | null => localStorage.getItem(KEY)

export const keepToken = (token: string): void => localStorage.setItem(KEY, token)

export const dropToken = (): void => localStorage.removeItem(KEY)
