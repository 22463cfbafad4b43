import { claimsOf, isExpired, keptToken, takeTokenFromAddress } from "./token"

const encode = (body: object) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(body))))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "")

const token = (body: object) => `h.${encode(body)}.s`

afterEach(() => localStorage.clear())

test("reads the claims of a JWT, non-Latin names too", () => {
  expect(claimsOf(token({ sub: "Zoë 字", exp: 7 }))).toEqual({ sub: "Zoë 字", exp: 7 })
  expect(claimsOf(token({ sub: "ada" }))).toEqual({ sub: "ada", exp: null })
})

test.each(["", "no.jwt", "a.b.c", token({ exp: 5 }), token([])])("%j is no JWT", (text) => {
  expect(claimsOf(text)).toBeNull()
})

test("knows when a token has expired", () => {
  expect(isExpired(token({ sub: "ada", exp: 100 }), 99_999)).toBe(false)
  expect(isExpired(token({ sub: "ada", exp: 100 }), 100_000)).toBe(true)
  expect(isExpired(token({ sub: "ada" }))).toBe(false)
})

test("takes a linked token off the address and keeps it", () => {
  history.replaceState(null, "", "/app/workflows?x=1#token=h.b.s")
  takeTokenFromAddress(location, history)
  expect(location.href).toMatch(/\/app\/workflows\?x=1$/)
  expect(keptToken()).toBe("h.b.s")
})

test("another fragment stays", () => {
  history.replaceState(null, "", "/app/#section")
  takeTokenFromAddress(location, history)
  expect(location.hash).toBe("#section")
  expect(keptToken()).toBeNull()
})
