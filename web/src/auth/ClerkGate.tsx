import { forgetInputs } from "../run/lastInput"
import { ClerkProvider, SignIn, useAuth, useClerk, useUser } from "@clerk/clerk-react"
import { useMemo, type ReactNode } from "react"
import { signRequests } from "../api/client"
import { Loading } from "../ui/State"
import { SessionContext, type Session } from "./session"
import styles from "./auth.module.css"

/** Clerk's own component, loaded only where the server is configured for it. */
export default function ClerkGate(props: { publishableKey: string; children: ReactNode }) {
  return (
    <ClerkProvider publishableKey={props.publishableKey} afterSignOutUrl={import.meta.env.BASE_URL}>
      <Gate>{props.children}</Gate>
    </ClerkProvider>
  )
}

function Gate({ children }: { children: ReactNode }) {
  const { isLoaded, isSignedIn, userId, getToken } = useAuth()
  const { signOut } = useClerk()
  const { user } = useUser()
  const name = user?.fullName ?? user?.primaryEmailAddress?.emailAddress ?? userId ?? ""

  const session = useMemo<Session | null>(() => {
    if (!userId) return null
    // Clerk renews its own tokens, so a refused one is no reason to sign anybody out
    signRequests(
      () => getToken(),
      () => undefined,
    )
    return {
      userId,
      name,
      signOut: () => {
        forgetInputs()
        void signOut()
      },
    }
  }, [userId, name, getToken, signOut])

  if (!isLoaded) return <Loading what="sign-in" />
  if (!isSignedIn || session === null) {
    return (
      <main className={styles.page}>
        <SignIn routing="hash" />
      </main>
    )
  }
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>
}
