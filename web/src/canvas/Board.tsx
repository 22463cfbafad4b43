import "@xyflow/react/dist/style.css"
import {
  Background,
  MiniMap,
  ReactFlow,
  useReactFlow,
  useStore,
  type Connection,
  type FinalConnectionState,
} from "@xyflow/react"
import { Maximize, Minus, Plus, Redo2, Undo2, Wand2 } from "lucide-react"
import { useCallback, useEffect, useState } from "react"
import type { NodeTypes } from "../api/hooks"
import { laidOut } from "../graph/layout"
import { graphAt, nameOf, type Graph } from "../graph/model"
import { IconButton, Button } from "../ui/Button"
import { useTheme } from "../ui/theme"
import { useToast } from "../ui/Toast"
import { Card } from "./Card"
import styles from "./canvas.module.css"
import { Conflict } from "./Conflict"
import { useCanvas, useEditing } from "./context"
import { DRAGGED, Palette, QuickAdd } from "./Palette"
import { useShortcuts } from "./useShortcuts"

const NODE_TYPES = { card: Card }
const FIT = { padding: 0.12, maxZoom: 1, duration: 200 }
const BESIDE_X = 300
/** From so many nodes on an overview has to be asked for. */
const MANY = 400
/** Under it nothing on a card can be read, so that nothing of it is painted but its shape. */
const FAR_ZOOM = 0.4

interface Adding {
  /** In the window. */
  at: { x: number; y: number }
  from?: { node: string; handle: string | null }
}

/** The palette and the drawing. */
export function Board({ types }: { types: NodeTypes }) {
  const { canvas, readOnly } = useEditing()
  const flow = useReactFlow()
  const theme = useTheme()
  const { complain } = useToast()
  const nodes = useCanvas((state) => state.flowNodes)
  const edges = useCanvas((state) => state.flowEdges)
  const path = useCanvas((state) => state.path)
  const isFar = useStore((state) => state.transform[2] < FAR_ZOOM)
  const [adding, setAdding] = useState<Adding | null>(null)
  const actions = canvas.getState()

  const fit = useCallback(() => void flow.fitView(FIT), [flow])
  const search = useCallback(
    () => setAdding({ at: { x: window.innerWidth / 2 - 125, y: window.innerHeight / 4 } }),
    [],
  )
  useShortcuts({ fit, search })

  const shown = path.join("/")
  useEffect(() => {
    // a body is another drawing: shown whole, once its nodes have been measured
    if (canvas.getState().flowNodes.length > MANY) return
    const timer = setTimeout(fit, 60)
    return () => clearTimeout(timer)
  }, [canvas, shown, fit])

  /** Beside the chosen node and joined to it, else in the middle of what is seen. */
  function addBeside(type: string) {
    const state = canvas.getState()
    const [only] = state.selected
    const beside = state.flowNodes.find((node) => node.id === only)
    if (beside && state.selected.size === 1 && type !== "start") {
      const handle = beside.data.handles[0]
      const leaving = state.flowEdges.filter((edge) => edge.source === beside.id).length
      state.add(
        type,
        { x: beside.position.x + BESIDE_X, y: beside.position.y + leaving * 110 },
        handle === undefined ? undefined : { node: beside.id, handle },
      )
    } else {
      const box = document.querySelector(".react-flow")?.getBoundingClientRect()
      const middle = box
        ? { x: box.x + box.width / 2 - 110, y: box.y + box.height / 2 - 40 }
        : { x: 0, y: 0 }
      state.add(type, flow.screenToFlowPosition(middle))
    }
  }

  function onConnectEnd(event: MouseEvent | TouchEvent, state: FinalConnectionState) {
    if (state.isValid === true || state.toNode || !state.fromNode) return
    if (state.fromHandle.type !== "source") return
    const point = "changedTouches" in event ? event.changedTouches[0] : event
    if (!point) return
    setAdding({
      at: { x: point.clientX, y: point.clientY },
      from: { node: state.fromNode.id, handle: state.fromHandle.id ?? null },
    })
  }

  async function tidy() {
    const state = canvas.getState()
    const graph = graphAt(state.doc, state.path)
    if (!graph) return
    const sizes = new Map(state.flowNodes.map((node) => [node.id, node.measured]))
    const positions = await laidOut(graph, (id) => {
      const size = sizes.get(id)
      return size?.width && size.height ? { width: size.width, height: size.height } : undefined
    })
    state.move(positions)
    setTimeout(fit, 30)
  }

  return (
    <>
      <Palette types={types} onAdd={addBeside} />
      <div
        className={styles.flow}
        data-far={isFar || undefined}
        onDragOver={(event) => {
          if (!event.dataTransfer.types.includes(DRAGGED)) return
          event.preventDefault()
          event.dataTransfer.dropEffect = "copy"
        }}
        onDrop={(event) => {
          const type = event.dataTransfer.getData(DRAGGED)
          if (type === "") return
          event.preventDefault()
          const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY })
          actions.add(type, { x: at.x - 110, y: at.y - 28 })
        }}
      >
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={NODE_TYPES}
          colorMode={theme}
          onNodesChange={actions.onNodesChange}
          onEdgesChange={actions.onEdgesChange}
          onConnect={({ source, sourceHandle, target }: Connection) =>
            actions.connect(source, sourceHandle, target)
          }
          onReconnect={(edge, to) =>
            actions.reconnect(edge.id, to.source, to.sourceHandle, to.target)
          }
          onConnectEnd={onConnectEnd}
          isValidConnection={({ source, target }) => actions.canConnect(source, target)}
          onDoubleClick={(event) => {
            if ((event.target as HTMLElement).classList.contains("react-flow__pane")) {
              setAdding({ at: { x: event.clientX, y: event.clientY } })
            }
          }}
          zoomOnDoubleClick={false}
          deleteKeyCode={null}
          nodesDraggable={!readOnly}
          nodesConnectable={!readOnly}
          edgesReconnectable={!readOnly}
          selectionKeyCode="Shift"
          multiSelectionKeyCode={["Meta", "Control"]}
          panOnScroll
          minZoom={0.1}
          maxZoom={2}
          fitView={nodes.length <= MANY}
          fitViewOptions={FIT}
          onlyRenderVisibleElements
          elevateNodesOnSelect={false}
          snapToGrid
          snapGrid={[10, 10]}
        >
          <Background gap={20} size={1.6} />
          <MiniMap pannable zoomable ariaLabel="Overview" />
        </ReactFlow>
        {nodes.length === 0 && (
          <p className={styles.hint}>
            Nothing here yet. Choose a node on the left, or double-click where it is to be.
          </p>
        )}
        <Crumbs />
        <Conflict />
        <Controls onTidy={() => void tidy().catch(complain)} onFit={fit} />
        {adding && (
          <QuickAdd
            types={types}
            at={adding.at}
            onClose={() => setAdding(null)}
            onAdd={(type) => {
              const at = flow.screenToFlowPosition(adding.at)
              canvas.getState().add(type, { x: at.x, y: at.y - 28 }, adding.from)
              setAdding(null)
            }}
          />
        )}
      </div>
    </>
  )
}

function Controls(props: { onTidy: () => void; onFit: () => void }) {
  const flow = useReactFlow()
  const canUndo = useCanvas((state) => state.past.length > 0)
  const canRedo = useCanvas((state) => state.future.length > 0)
  const undo = useCanvas((state) => state.undo)
  const redo = useCanvas((state) => state.redo)
  return (
    <div className={styles.controls} role="toolbar" aria-label="Drawing">
      <IconButton
        size="small"
        label="Undo"
        shortcut="Ctrl+Z"
        icon={<Undo2 size={16} />}
        disabled={!canUndo}
        onClick={undo}
      />
      <IconButton
        size="small"
        label="Redo"
        shortcut="Ctrl+Shift+Z"
        icon={<Redo2 size={16} />}
        disabled={!canRedo}
        onClick={redo}
      />
      <IconButton
        size="small"
        label="Zoom out"
        icon={<Minus size={16} />}
        onClick={() => void flow.zoomOut()}
      />
      <IconButton
        size="small"
        label="Zoom in"
        icon={<Plus size={16} />}
        onClick={() => void flow.zoomIn()}
      />
      <IconButton
        size="small"
        label="Show all"
        shortcut="F"
        icon={<Maximize size={16} />}
        onClick={props.onFit}
      />
      <IconButton size="small" label="Tidy up" icon={<Wand2 size={16} />} onClick={props.onTidy} />
    </div>
  )
}

/** Where one is, inside of loops and maps. */
function Crumbs() {
  const path = useCanvas((state) => state.path)
  const doc = useCanvas((state) => state.doc)
  const open = useCanvas((state) => state.open)
  if (path.length === 0) return null
  const names = path.map((id, depth) => nameAt(doc, path.slice(0, depth), id))
  return (
    <nav aria-label="Where you are">
      <ol className={styles.crumbs}>
        <li>
          <Button size="small" variant="ghost" onClick={() => open([])}>
            Workflow
          </Button>
        </li>
        {names.map((name, depth) => (
          <li key={path[depth]}>
            ›
            {depth === path.length - 1 ? (
              <span aria-current="location">{name}</span>
            ) : (
              <Button size="small" variant="ghost" onClick={() => open(path.slice(0, depth + 1))}>
                {name}
              </Button>
            )}
          </li>
        ))}
      </ol>
    </nav>
  )
}

function nameAt(doc: Graph, path: string[], id: string): string {
  const node = graphAt(doc, path)?.nodes.find((one) => one.id === id)
  return node ? nameOf(node) : id
}
