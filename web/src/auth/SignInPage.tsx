import { useState, type SyntheticEvent } from "react"
import { Button } from "../ui/Button"
import { Field } from "../ui/Field"
import { Logo } from "../ui/Logo"
import styles from "./auth.module.css"
import { claimsOf, isExpired } from "./token"

interface Props {
  development: boolean
  notice: string | null
  onToken: (token: string) => void
}

const API_KEY_PREFIX = "pilot_"

function complaint(token: string): string | null {
  if (token === "") return "Paste a token first."
  if (claimsOf(token) === null && !token.startsWith(API_KEY_PREFIX)) {
    return "This is neither a token nor an API key."
  }
  return isExpired(token) ? "This token has expired: print a new one." : null
}

export function SignInPage({ development, notice, onToken }: Props) {
  const [text, setText] = useState("")
  const [error, setError] = useState<string | null>(null)

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    const token = text.trim()
    const wrong = complaint(token)
    setError(wrong)
    if (wrong === null) onToken(token)
  }

  return (
    <main className={styles.page}>
      <form className={styles.card} onSubmit={submit} noValidate>
        <Logo size={40} />
        <h1>Sign in to πlot</h1>
        {notice !== null && (
          <p role="status" className={styles.notice}>
            {notice}
          </p>
        )}
        {development ? (
          <p className={styles.hint}>
            This server runs for development. Open the link that <code>pilot dev</code> printed, or
            paste what this prints:
            <code className={styles.command}>pilot token</code>
          </p>
        ) : (
          <p className={styles.hint}>Paste a token of your identity provider.</p>
        )}
        <Field label="Token" error={error}>
          {(field) => (
            <input
              {...field}
              type="password"
              autoComplete="off"
              spellCheck={false}
              autoFocus
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <Button variant="primary" type="submit">
          Sign in
        </Button>
      </form>
    </main>
  )
}
