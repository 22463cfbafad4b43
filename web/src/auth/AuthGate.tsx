import { forgetInputs } from "../run/lastInput"
import { lazy, Suspense, useCallback, useMemo, useState, type ReactNode } from "react"
import { useQueryClient } from "@tanstack/react-query"
import { signRequests } from "../api/client"
import type { ServerConfig } from "../api/config"
import { Loading } from "../ui/State"
import { SessionContext, type Session } from "./session"
import { SignInPage } from "./SignInPage"
import { claimsOf, dropToken, isExpired, keepToken, keptToken } from "./token"

const ClerkGate = lazy(() => import("./ClerkGate"))

/** Lets nobody through who has not signed in: by Clerk's component where the server is configured
 * for it, by a token otherwise. */
export function AuthGate({ config, children }: { config: ServerConfig; children: ReactNode }) {
  if (config.clerk_publishable_key !== null) {
    return (
      <Suspense fallback={<Loading what="sign-in" />}>
        <ClerkGate publishableKey={config.clerk_publishable_key}>{children}</ClerkGate>
      </Suspense>
    )
  }
  return <TokenGate config={config}>{children}</TokenGate>
}

function usableToken(): string | null {
  const kept = keptToken()
  return kept !== null && !isExpired(kept) ? kept : null
}

function TokenGate({ config, children }: { config: ServerConfig; children: ReactNode }) {
  const [token, setToken] = useState(usableToken)
  const [notice, setNotice] = useState<string | null>(() =>
    keptToken() !== null && usableToken() === null ? "Your token has expired." : null,
  )
  const queries = useQueryClient()

  const leave = useCallback(
    (why: string | null) => {
      dropToken()
      forgetInputs()
      queries.clear()
      setNotice(why)
      setToken(null)
    },
    [queries],
  )

  const session = useMemo<Session | null>(() => {
    if (token === null) return null
    // set before any child asks for anything
    signRequests(
      () => Promise.resolve(token),
      () => leave("The server does not take your token: it has expired, or is another server's."),
    )
    const user = claimsOf(token)?.sub ?? "API key"
    return { userId: user, name: user, signOut: () => leave(null) }
  }, [token, leave])

  if (session === null) {
    return (
      <SignInPage
        development={config.development}
        notice={notice}
        onToken={(given) => {
          keepToken(given)
          setToken(given)
        }}
      />
    )
  }
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>
}
