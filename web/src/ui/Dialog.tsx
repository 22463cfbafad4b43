import { X } from "lucide-react"
import { useEffect, useId, useRef, type ReactNode } from "react"
import { IconButton } from "./Button"
import styles from "./ui.module.css"

interface Props {
  title: string
  open: boolean
  onClose: () => void
  children: ReactNode
  /** The buttons, at its foot. */
  footer?: ReactNode
  width?: number
}

/** A modal dialog: the browser's own keeps the focus inside and closes by Escape. */
export function Dialog({ title, open, onClose, children, footer, width = 520 }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const titleId = useId()

  useEffect(() => {
    const element = dialog.current
    if (!element) return
    if (open && !element.open) element.showModal()
    if (!open && element.open) element.close()
  }, [open])

  if (!open) return null
  return (
    <dialog
      ref={dialog}
      className={styles.dialog}
      style={{ width }}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onMouseDown={(event) => {
        if (event.target === dialog.current) onClose()
      }}
      // React passes keys on through portals and parents: the canvas must not hear them
      onKeyDown={(event) => event.stopPropagation()}
    >
      <div className={styles.dialogInner}>
        <header className={styles.dialogHeader}>
          <h2 id={titleId}>{title}</h2>
          <IconButton label="Close" icon={<X size={18} />} onClick={onClose} />
        </header>
        <div className={styles.dialogBody}>{children}</div>
        {footer !== undefined && <footer className={styles.dialogFooter}>{footer}</footer>}
      </div>
    </dialog>
  )
}

interface ConfirmProps {
  title: string
  open: boolean
  onClose: () => void
  onConfirm: () => void
  action: string
  busy?: boolean
  children: ReactNode
}

/** Asks before something is lost. */
export function Confirm({ action, busy, onConfirm, onClose, ...rest }: ConfirmProps) {
  return (
    <Dialog
      {...rest}
      width={420}
      onClose={onClose}
      footer={
        <>
          <button
            type="button"
            className={`${styles.button} ${styles.secondary}`}
            onClick={onClose}
          >
            Cancel
          </button>
          <button
            type="button"
            className={`${styles.button} ${styles.danger}`}
            disabled={busy}
            onClick={onConfirm}
          >
            {action}
          </button>
        </>
      }
    />
  )
}
