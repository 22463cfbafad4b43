import { TriangleAlert } from "lucide-react"
import { useNavigate } from "react-router"
import { Button } from "../ui/Button"
import { ago } from "../ui/time"
import { useToast } from "../ui/Toast"
import { saveAsNew } from "../workflows/queries"
import styles from "./canvas.module.css"
import { useEditing, useSaver } from "./context"
import { openWorkflow } from "./documents"

/** Somebody else saved in between: theirs, one's own over it, or one's own beside it. */
export function Conflict() {
  const { id, canvas, saver } = useEditing()
  const status = useSaver((state) => state.status)
  const current = useSaver((state) => state.current)
  const navigate = useNavigate()
  const { say, complain } = useToast()
  if (status !== "conflict") return null

  async function reload() {
    const { doc, at } = await openWorkflow(id)
    saver.getState().adopt(doc, at)
    canvas.getState().load(doc)
  }

  async function keepAsCopy() {
    const { doc } = canvas.getState()
    const made = await saveAsNew(`${doc.name} (mine)`, doc)
    await reload()
    say("Yours is saved beside it.")
    await navigate(`/workflows/${made.id}`)
  }

  return (
    <div className={styles.conflict} role="alert">
      <TriangleAlert size={18} aria-hidden />
      <span>
        {current?.saved_by ?? "Somebody"} saved version {current?.version ?? ""}
        {current ? ` ${ago(current.saved_at)}` : ""}. Your changes are not saved.
      </span>
      <Button size="small" onClick={() => void reload().catch(complain)}>
        Take theirs
      </Button>
      <Button size="small" onClick={() => void saver.getState().overwrite()}>
        Save mine over it
      </Button>
      <Button size="small" onClick={() => void keepAsCopy().catch(complain)}>
        Keep mine as a copy
      </Button>
    </div>
  )
}
