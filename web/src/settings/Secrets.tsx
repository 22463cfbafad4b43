import { KeyRound, Plus } from "lucide-react"
import { useState } from "react"

import { Button } from "../ui/Button"
import { Confirm, Dialog } from "../ui/Dialog"
import { Field } from "../ui/Field"
import { Empty, Failed, Loading } from "../ui/State"
import { ago, exact } from "../ui/time"
import { useToast } from "../ui/Toast"
import table from "../ui/table.module.css"
import { deleteSecret, putSecret, useChange, useSecrets } from "./queries"
import styles from "./settings.module.css"

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

/** Names only: a value goes in and is never shown again. */
export function Secrets() {
  const list = useSecrets()
  const [editing, setEditing] = useState<string | null>(null)
  const [deleting, setDeleting] = useState<string | null>(null)
  const remove = useChange("secrets", deleteSecret)
  const { say, complain } = useToast()
  const add = (
    <Button variant="primary" icon={<Plus size={16} />} onClick={() => setEditing("")}>
      New secret
    </Button>
  )
  return (
    <section>
      <div className={styles.lead}>
        <p>
          Keys and passwords for LLM and HTTP nodes, written <code>{"{secrets.NAME}"}</code> there.
          Stored encrypted; a value is never shown again, and taken out of outputs and logs.
        </p>
        {list.isSuccess && list.data.items.length > 0 && add}
      </div>
      {list.isPending ? (
        <Loading what="secrets" />
      ) : list.isError ? (
        <Failed error={list.error} onRetry={() => void list.refetch()} />
      ) : list.data.items.length === 0 ? (
        <Empty icon={<KeyRound />} title="No secrets yet" action={add} />
      ) : (
        <div className={table.frame}>
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Changed</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.data.items.map((one) => (
                <tr key={one.name}>
                  <td>
                    <code>{one.name}</code>
                  </td>
                  <td title={exact(one.updated_at)}>{ago(one.updated_at)}</td>
                  <td className={styles.buttons}>
                    <Button
                      size="small"
                      aria-label={`Replace ${one.name}`}
                      onClick={() => setEditing(one.name)}
                    >
                      Replace
                    </Button>
                    <Button
                      size="small"
                      variant="danger"
                      aria-label={`Delete ${one.name}`}
                      onClick={() => setDeleting(one.name)}
                    >
                      Delete
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {editing !== null && <SecretDialog known={editing} onClose={() => setEditing(null)} />}
      <Confirm
        title={`Delete ${deleting ?? ""}?`}
        open={deleting !== null}
        action="Delete"
        busy={remove.isPending}
        onClose={() => setDeleting(null)}
        onConfirm={() => {
          if (deleting === null) return
          remove.mutate(deleting, {
            onSuccess: () => {
              say(`${deleting} is deleted`)
              setDeleting(null)
            },
            onError: complain,
          })
        }}
      >
        Nodes that refer to it fail from now on, in runs under way as well.
      </Confirm>
    </section>
  )
}

function SecretDialog({ known, onClose }: { known: string; onClose: () => void }) {
  const [name, setName] = useState(known)
  const [value, setValue] = useState("")
  const put = useChange("secrets", putSecret)
  const { say, complain } = useToast()
  const isBad = name !== "" && !NAME.test(name)
  const isReady = NAME.test(name) && value !== ""
  function submit() {
    if (!isReady || put.isPending) return
    put.mutate(
      { name, value },
      {
        onSuccess: () => {
          say(known === "" ? `${name} is stored` : `${name} has its new value`)
          onClose()
        },
        onError: complain,
      },
    )
  }
  return (
    <Dialog
      title={known === "" ? "New secret" : `Replace ${known}`}
      open
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" disabled={!isReady} busy={put.isPending} onClick={submit}>
            Store
          </Button>
        </>
      }
    >
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
      >
        {known === "" && (
          <Field
            label="Name"
            hint="Letters, digits and underscores, such as SEARCH_API_KEY"
            error={isBad ? "Letters, digits and underscores; no digit first" : null}
          >
            {(field) => (
              <input
                {...field}
                autoFocus
                autoComplete="off"
                spellCheck={false}
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
        )}
        <Field label="Value">
          {(field) => (
            <input
              {...field}
              type="password"
              autoFocus={known !== ""}
              autoComplete="new-password"
              value={value}
              onChange={(event) => setValue(event.target.value)}
            />
          )}
        </Field>
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}
