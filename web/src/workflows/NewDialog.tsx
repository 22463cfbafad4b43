import { FilePlus2, Search } from "lucide-react"
import { useState } from "react"
import { useNavigate } from "react-router"
import { useNodeTypes } from "../api/hooks"
import { iconOf } from "../graph/icons"
import { Badge } from "../ui/Badge"
import { Button } from "../ui/Button"
import { Dialog } from "../ui/Dialog"
import { Field } from "../ui/Field"
import { Failed, Loading } from "../ui/State"
import { useToast } from "../ui/Toast"
import { createFromTemplate, createWorkflow, useTemplates, useWorkflowChange } from "./queries"
import styles from "./workflows.module.css"

const BLANK = ""
const ICONS_SHOWN = 6

/** A new workflow: blank, or from the gallery. */
export function NewDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const templates = useTemplates()
  const types = useNodeTypes().data
  const navigate = useNavigate()
  const { complain } = useToast()
  const [chosen, setChosen] = useState(BLANK)
  const [name, setName] = useState("")
  const [search, setSearch] = useState("")
  const make = useWorkflowChange((given: { id: string; name: string }) =>
    given.id === BLANK ? createWorkflow(given.name) : createFromTemplate(given),
  )

  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = (templates.data?.items ?? []).filter((one) => {
    const text = [one.name, one.description, ...one.tags].join(" ").toLowerCase()
    return words.every((word) => text.includes(word))
  })
  const suggested = templates.data?.items.find((one) => one.id === chosen)?.name ?? "New workflow"

  function submit() {
    make.mutate(
      { id: chosen, name: name.trim() || suggested },
      {
        onSuccess: (made) => void navigate(`/workflows/${made.id}`),
        onError: complain,
      },
    )
  }

  return (
    <Dialog
      title="New workflow"
      open={open}
      onClose={onClose}
      width={860}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" busy={make.isPending} onClick={submit}>
            Create
          </Button>
        </>
      }
    >
      <Field label="Name">
        {(field) => (
          <input
            {...field}
            autoFocus
            maxLength={200}
            placeholder={suggested}
            value={name}
            onChange={(event) => setName(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") submit()
            }}
          />
        )}
      </Field>
      <div className={styles.search}>
        <Search size={16} aria-hidden />
        <input
          type="search"
          aria-label="Search templates"
          placeholder="Search templates"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      </div>
      {templates.isPending && <Loading what="templates" />}
      {templates.isError && (
        <Failed error={templates.error} onRetry={() => void templates.refetch()} />
      )}
      <div className={styles.templates} role="radiogroup" aria-label="Begin with">
        {words.length === 0 && (
          <label className={styles.template}>
            <input
              type="radio"
              name="template"
              checked={chosen === BLANK}
              onChange={() => setChosen(BLANK)}
            />
            <span className={styles.templateHead}>
              <FilePlus2 size={18} aria-hidden /> Blank
            </span>
            <span className={styles.templateText}>A start and an output, ready to be filled.</span>
          </label>
        )}
        {shown.map((one) => (
          <label key={one.id} className={styles.template}>
            <input
              type="radio"
              name="template"
              checked={chosen === one.id}
              onChange={() => setChosen(one.id)}
            />
            <span className={styles.templateHead}>{one.name}</span>
            <span className={styles.templateText}>{one.description}</span>
            <span className={styles.templateFoot}>
              {one.node_types.slice(0, ICONS_SHOWN).map((type) => {
                const Icon = iconOf(types?.get(type)?.icon)
                return <Icon key={type} size={15} aria-label={types?.get(type)?.title ?? type} />
              })}
              {one.tags.slice(0, 2).map((tag) => (
                <Badge key={tag}>{tag}</Badge>
              ))}
            </span>
          </label>
        ))}
      </div>
    </Dialog>
  )
}
