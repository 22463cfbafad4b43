import { createContext, useContext } from "react"

export interface Session {
  /** The `sub` of the token: what `/ws/{user_id}` is asked with. */
  userId: string
  name: string
  signOut: () => void
}

export const SessionContext = createContext<Session | null>(null)

/** Who is signed in. Only below `AuthGate`. */
export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error("useSession is for pages that need somebody signed in")
  return session
}
