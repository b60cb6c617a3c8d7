// What a dashboard may hold: the types of Grafana's own package of its release, narrowed to the panels that are used.
// `make check-ops` writes the dashboards beneath this as literals, of which TypeScript checks every key and value.
import type { DataQuery, DataSourceRef } from "@grafana/schema";
import type * as raw from "./node_modules/@grafana/schema/dist/types/raw/dashboard/x/dashboard_types.gen";
import type * as stat from "./node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as table from "./node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as series from "./node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// an enumeration's values as JSON has them, strings and numbers
type Plain<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends number ? (`${T}` extends `${infer N extends number}` ? N : T)
  : T extends boolean | null | undefined ? T
  : T extends Array<infer Item> ? Plain<Item>[]
  : { [Key in keyof T]: Plain<T[Key]> };

// the one source that is provisioned
type Source = { type: "prometheus"; uid: "prometheus" };
// what the plugin of Prometheus reads
type Query = Omit<DataQuery, "datasource"> & {
  datasource: Source;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  format?: "time_series" | "table" | "heatmap";
};
type Field<Custom> = Omit<raw.FieldConfig, "custom"> & { custom?: Partial<Custom> };
type Shows<Type extends string, Options, Custom> =
  Required<Pick<raw.Panel, "id" | "title" | "description" | "gridPos">>
  & Pick<raw.Panel, "interval" | "links" | "maxDataPoints" | "timeFrom" | "timeShift" | "transformations" | "transparent">
  & {
    type: Type;
    datasource: Source;
    targets: Query[];
    options: Partial<Options>;
    fieldConfig: { defaults: Field<Custom>; overrides: raw.FieldConfigSource["overrides"] };
  };
type Row = Omit<raw.RowPanel, "type" | "panels"> & { type: "row"; panels: [] };
type Mark = Omit<raw.AnnotationQuery, "datasource" | "target"> & {
  datasource: Source;
  // what the plugin of Prometheus reads
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
};
type Variable = Omit<raw.VariableModel, "datasource"> & {
  datasource: Source;
  query: { query: string; refId: string };
  // what the page of settings shows of the query; Grafana writes it, its types leave it out
  definition: string;
};

export type Dashboard = Plain<
  Omit<raw.Dashboard, "panels" | "templating" | "annotations"> & {
    uid: string;
    title: string;
    panels: Array<
      | Row
      | Shows<"stat", stat.Options, Record<string, never>>
      | Shows<"table", table.Options, table.FieldConfig>
      | Shows<"timeseries", series.Options, series.FieldConfig>
    >;
    templating: { list: Variable[] };
    annotations: { list: Mark[] };
  }
>;
