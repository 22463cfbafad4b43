import type { ReactNode } from "react"
import styles from "./layout.module.css"

/** A page of text, lists and forms, with its title and its actions. */
export function Page(props: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <main id="main" className={styles.page} tabIndex={-1}>
      <div className={styles.pageInner}>
        <header className={styles.pageHeader}>
          <h1>{props.title}</h1>
          {props.actions !== undefined && <div className={styles.actions}>{props.actions}</div>}
        </header>
        {props.children}
      </div>
    </main>
  )
}
