import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion,
} from "@codemirror/autocomplete"
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands"
import { json } from "@codemirror/lang-json"
import { python } from "@codemirror/lang-python"
import {
  HighlightStyle,
  StreamLanguage,
  bracketMatching,
  syntaxHighlighting,
  type StreamParser,
} from "@codemirror/language"
import { setDiagnostics, type Diagnostic } from "@codemirror/lint"
import { EditorState, type Extension } from "@codemirror/state"
import {
  Decoration,
  EditorView,
  ViewPlugin,
  keymap,
  lineNumbers,
  placeholder,
  type DecorationSet,
  type ViewUpdate,
} from "@codemirror/view"
import { tags } from "@lezer/highlight"
import { useEffect, useRef } from "react"
import type { Issue } from "../api/problem"
import type { Names } from "../graph/names"
import { completeNames } from "./completion"
import { slots } from "./template"
import styles from "./code.module.css"

export type CodeKind = "template" | "cel" | "python" | "json"

interface Props {
  kind: CodeKind
  value: string
  onChange: (value: string) => void
  /** Asked for when something is to be completed. */
  names?: () => Names
  /** Those of this very text: with line and column they are underlined. */
  issues?: readonly Issue[]
  id?: string
  label: string
  describedBy?: string | undefined
  placeholder?: string
  /** At least so many lines are shown. */
  lines?: number
}

const highlight = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--cat-control)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--ok-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--cat-integration)" },
  { tag: tags.comment, color: "var(--text-3)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.propertyName], color: "var(--info-text)" },
  { tag: tags.definition(tags.variableName), color: "var(--accent-text)" },
])

const celParser: StreamParser<null> = {
  startState: () => null,
  token(stream) {
    if (stream.match(/^"(?:[^"\\]|\\.)*"?|^'(?:[^'\\]|\\.)*'?/)) return "string"
    if (stream.match(/^\/\/.*/)) return "comment"
    if (stream.match(/^\d+(\.\d+)?([eE][+-]?\d+)?u?/)) return "number"
    if (stream.match(/^(true|false|null)\b/)) return "bool"
    if (stream.match(/^in\b/)) return "keyword"
    if (stream.match(/^[A-Za-z_]\w*(?=\()/)) return "propertyName"
    if (stream.match(/^[A-Za-z_]\w*/)) return "variableName"
    stream.next()
    return null
  },
}

const slotMark = Decoration.mark({ class: "cm-slot" })

/** Marks the `{expression}`s of a template. */
const slotMarks = ViewPlugin.fromClass(
  class {
    marks: DecorationSet
    constructor(view: EditorView) {
      this.marks = marksOf(view)
    }
    update(update: ViewUpdate) {
      if (update.docChanged) this.marks = marksOf(update.view)
    }
  },
  { decorations: (plugin) => plugin.marks },
)

function marksOf(view: EditorView): DecorationSet {
  return Decoration.set(
    slots(view.state.doc.toString()).map((slot) => slotMark.range(slot.from, slot.to)),
  )
}

function language(kind: CodeKind): Extension {
  switch (kind) {
    case "python":
      return [python(), lineNumbers()]
    case "json":
      return json()
    case "cel":
      return StreamLanguage.define(celParser)
    case "template":
      return slotMarks
  }
}

const nonce = () => document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? ""

/** Where templates, expressions, Python and JSON are written: with completion of what is in scope
 * and what is wrong underlined. Escape, then Tab leaves it. */
export function CodeField(props: Props) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  // the editor is made once and reads what is current from here
  const current = useRef(props)
  useEffect(() => {
    current.current = props
  })

  useEffect(() => {
    if (!host.current) return
    const { kind, id, label, describedBy, value } = current.current
    const source =
      kind === "cel" || kind === "template"
        ? completeNames(kind, () => current.current.names?.() ?? {})
        : null
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          EditorView.cspNonce.of(nonce()),
          history(),
          bracketMatching(),
          closeBrackets(),
          syntaxHighlighting(highlight),
          language(kind),
          EditorView.lineWrapping,
          source === null
            ? autocompletion({ override: [] })
            : autocompletion({ override: [source], icons: false }),
          keymap.of([
            ...closeBracketsKeymap,
            ...completionKeymap,
            ...historyKeymap,
            ...defaultKeymap,
            ...(kind === "python" ? [indentWithTab] : []),
          ]),
          placeholder(current.current.placeholder ?? ""),
          EditorView.contentAttributes.of({
            "aria-label": label,
            spellcheck: kind === "template" ? "true" : "false",
            ...(id === undefined ? {} : { id }),
            ...(describedBy === undefined ? {} : { "aria-describedby": describedBy }),
          }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return
            const text = update.state.doc.toString()
            if (text !== current.current.value) current.current.onChange(text)
            // `{` in a template begins an expression: what may be named is shown at once
            const typed = update.transactions.some((one) => one.isUserEvent("input.type"))
            const at = update.state.selection.main.head
            const opened = kind === "template" && typed && text.slice(at - 1, at) === "{"
            if (opened) setTimeout(() => startCompletion(update.view))
          }),
        ],
      }),
    })
    view.current = editor
    return () => {
      view.current = null
      editor.destroy()
    }
  }, [props.kind])

  useEffect(() => {
    const editor = view.current
    if (!editor || editor.state.doc.toString() === props.value) return
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.value } })
  }, [props.value])

  useEffect(() => {
    const editor = view.current
    if (!editor) return
    const found = (props.issues ?? []).flatMap((issue) => diagnostic(editor.state, issue))
    editor.dispatch(setDiagnostics(editor.state, found))
  }, [props.issues, props.value])

  const lines = props.lines ?? 1
  return (
    <div
      ref={host}
      className={styles.code}
      data-kind={props.kind}
      style={{ "--lines": lines } as React.CSSProperties}
      // keys typed here are not the canvas's
      onKeyDown={(event) => event.stopPropagation()}
    />
  )
}

/** Line and column count characters from 1; an editor counts UTF-16 units from 0. */
function diagnostic(state: EditorState, issue: Issue): Diagnostic[] {
  if (issue.line == null || issue.line > state.doc.lines) return []
  const line = state.doc.line(issue.line)
  const before = Array.from(line.text)
    .slice(0, (issue.column ?? 1) - 1)
    .join("").length
  const from = Math.min(line.from + before, line.to)
  const word = /^[\w.]+/.exec(line.text.slice(before))?.[0].length ?? 1
  return [
    {
      from,
      to: Math.min(from + word, line.to),
      severity: issue.severity,
      message: issue.message,
    },
  ]
}
