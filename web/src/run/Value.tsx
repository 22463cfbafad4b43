import { Check, Copy } from "lucide-react"
import { useState, type ReactNode } from "react"

import { IconButton } from "../ui/Button"
import { shown } from "./format"
import styles from "./run.module.css"

const MAX_CHARS = 100_000

/** A value with its title: text as it is, all else as JSON; to be copied. */
export function Value(props: { title: string; value: unknown; isCut?: boolean; note?: ReactNode }) {
  const [isCopied, setCopied] = useState(false)
  const text = shown(props.value)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <section className={styles.value} aria-label={props.title}>
      <header>
        <h3>{props.title}</h3>
        <IconButton
          size="small"
          label={isCopied ? "Copied" : `Copy: ${props.title}`}
          icon={isCopied ? <Check size={14} /> : <Copy size={14} />}
          onClick={() => void copy()}
        />
      </header>
      <pre className={typeof props.value === "string" ? styles.prose : undefined} tabIndex={0}>
        {text.slice(0, MAX_CHARS)}
        {(props.isCut === true || text.length > MAX_CHARS) && "…"}
      </pre>
      {props.note}
    </section>
  )
}
