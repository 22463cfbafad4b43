import { useQuery } from "@tanstack/react-query"

import { api, unwrap, type Schemas } from "../api/client"

export type NodeType = Schemas["NodeTypeOut"]

/** What the server knows of a node's type: title, icon, category. */
export function useNodeTypes(): ReadonlyMap<string, NodeType> {
  const { data } = useQuery({
    queryKey: ["node-types"],
    queryFn: () => unwrap(api.GET("/api/v1/node-types")),
    staleTime: Infinity,
    select: byType,
  })
  return data ?? NONE
}

const NONE: ReadonlyMap<string, NodeType> = new Map()

const byType = ({ items }: { items: NodeType[] }) => new Map(items.map((one) => [one.type, one]))
