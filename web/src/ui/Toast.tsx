import { CircleAlert, CircleCheck, X } from "lucide-react"
import {
  createContext,
  useCallback,
  useContext,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from "react"
import { messageOf } from "../api/problem"
import { IconButton } from "./Button"
import styles from "./ui.module.css"

interface Toast {
  id: number
  kind: "ok" | "error"
  text: string
}

interface Toasts {
  say: (text: string) => void
  /** Of anything that was thrown. */
  complain: (error: unknown) => void
}

const ToastContext = createContext<Toasts>({ say: () => undefined, complain: () => undefined })

const SHOWN_MS = { ok: 4000, error: 9000 }

export const useToast = () => useContext(ToastContext)

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([])
  const next = useRef(1)
  const drop = useCallback((id: number) => {
    setToasts((all) => all.filter((toast) => toast.id !== id))
  }, [])
  const add = useCallback(
    (kind: Toast["kind"], text: string) => {
      const id = next.current++
      setToasts((all) => [...all.slice(-3), { id, kind, text }])
      setTimeout(() => drop(id), SHOWN_MS[kind])
    },
    [drop],
  )
  const value = useMemo<Toasts>(
    () => ({
      say: (text) => add("ok", text),
      complain: (error) => add("error", messageOf(error)),
    }),
    [add],
  )
  return (
    <ToastContext.Provider value={value}>
      {children}
      <div className={styles.toasts} role="log" aria-live="polite" aria-label="Notices">
        {toasts.map((toast) => (
          <div
            key={toast.id}
            className={styles.toast}
            data-kind={toast.kind}
            role={toast.kind === "error" ? "alert" : undefined}
          >
            {toast.kind === "ok" ? <CircleCheck size={18} /> : <CircleAlert size={18} />}
            <span>{toast.text}</span>
            <IconButton
              size="small"
              label="Dismiss"
              icon={<X size={16} />}
              onClick={() => drop(toast.id)}
            />
          </div>
        ))}
      </div>
    </ToastContext.Provider>
  )
}
