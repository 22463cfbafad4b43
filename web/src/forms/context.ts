import { createContext, useContext } from "react"
import type { Issue } from "../api/problem"
import type { Allowed, Names } from "../graph/names"
import type { Defs } from "./schema"

/** What the fields of a form know beside their own value. */
export interface FormContext {
  defs: Defs
  /** Those of the node whose configuration it is. */
  issues: readonly Issue[]
  names: (allowed: Allowed) => Names
  /** Fields of a configuration that are chosen from a list: [value, label] by the field's name. */
  choices: Record<string, [string, string][]>
}

export const FormContext = createContext<FormContext | null>(null)

export function useForm(): FormContext {
  const form = useContext(FormContext)
  if (!form) throw new Error("useForm is for a form's fields")
  return form
}

/** Issues of exactly this field, whose path is such as `config.cases[0].expression`. */
export function useIssues(path: string): Issue[] {
  return useForm().issues.filter((issue) => issue.field === path)
}
