import {
  Box,
  CodeXml,
  Flag,
  Globe,
  Hourglass,
  List,
  Merge,
  Play,
  Repeat,
  Route,
  Sparkles,
  Split,
  UserCheck,
  Variable,
  Workflow,
  type LucideIcon,
} from "lucide-react"

/** By the `icon` of a node type. */
const BY_NAME: Record<string, LucideIcon> = {
  play: Play,
  sparkles: Sparkles,
  split: Split,
  code: CodeXml,
  globe: Globe,
  variable: Variable,
  hourglass: Hourglass,
  route: Route,
  merge: Merge,
  "user-check": UserCheck,
  list: List,
  repeat: Repeat,
  workflow: Workflow,
  flag: Flag,
}

/** What a node type's icon is drawn by; a box for a name of another package's. */
export const iconOf = (name: string | undefined): LucideIcon => BY_NAME[name ?? ""] ?? Box
