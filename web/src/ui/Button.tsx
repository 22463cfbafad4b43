import type { ButtonHTMLAttributes, ReactNode, Ref } from "react"
import { Link, type LinkProps } from "react-router"
import styles from "./ui.module.css"

type Variant = "primary" | "secondary" | "ghost" | "danger"

function classes(variant: Variant, size: string, extra?: string) {
  return [styles.button, styles[variant], styles[size], extra].filter(Boolean).join(" ")
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: Variant
  size?: "small" | "medium"
  icon?: ReactNode
  busy?: boolean
  ref?: Ref<HTMLButtonElement>
}

/** `busy` shows that it works, and takes no second click. */
export function Button({
  variant = "secondary",
  size = "medium",
  icon,
  busy = false,
  children,
  className,
  type = "button",
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      disabled={disabled === true || busy}
      aria-busy={busy || undefined}
      className={classes(variant, size, className)}
    >
      {busy ? <span className={styles.spinner} aria-hidden /> : icon}
      {children}
    </button>
  )
}

interface IconButtonProps extends ButtonProps {
  /** What it does: its name for everybody, shown when pointed at. */
  label: string
  icon: ReactNode
  shortcut?: string
}

export function IconButton({ label, shortcut, className, ...rest }: IconButtonProps) {
  return (
    <Button
      variant="ghost"
      {...rest}
      aria-label={label}
      title={shortcut === undefined ? label : `${label} (${shortcut})`}
      className={[styles.iconOnly, className].filter(Boolean).join(" ")}
    />
  )
}

/** A link that looks like a button. */
export function ButtonLink({
  variant = "secondary",
  size = "medium",
  icon,
  children,
  ...rest
}: LinkProps & { variant?: Variant; size?: "small" | "medium"; icon?: ReactNode }) {
  return (
    <Link {...rest} className={classes(variant, size)}>
      {icon}
      {children}
    </Link>
  )
}
