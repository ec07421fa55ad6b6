// The path below which a proxy publishes the service (LDNAS_ROOT_PATH), or "". Addresses in the pages begin with it; those
// of the API's documents, and those that a script writes, do not.
export const { rootPath } = document.documentElement.dataset;
