// SPDX-License-Identifier: MIT
/** Numbers of linux/vfio.h for device files. */

export const VFIO_DEVICE_GET_INFO = 0x3b6b
export const VFIO_DEVICE_GET_REGION_INFO = 0x3b6c
export const VFIO_DEVICE_GET_IRQ_INFO = 0x3b6d
export const VFIO_DEVICE_SET_IRQS = 0x3b6e
export const VFIO_DEVICE_RESET = 0x3b6f
export const VFIO_DEVICE_BIND_IOMMUFD = 0x3b76
export const VFIO_DEVICE_ATTACH_IOMMUFD_PT = 0x3b77
export const VFIO_DEVICE_DETACH_IOMMUFD_PT = 0x3b78

export const VFIO_DEVICE_FLAGS_RESET = 1
export const VFIO_DEVICE_FLAGS_PCI = 2

export const VFIO_DEVICE_BIND_FLAG_TOKEN = 1
export const VFIO_DEVICE_ATTACH_PASID = 1

export const VFIO_REGION_INFO_FLAG_READ = 1
export const VFIO_REGION_INFO_FLAG_WRITE = 2

export const VFIO_PCI_BAR0_REGION_INDEX = 0
export const VFIO_PCI_CONFIG_REGION_INDEX = 7
export const VFIO_PCI_VGA_REGION_INDEX = 8
export const VFIO_PCI_NUM_REGIONS = 9

export const VFIO_PCI_INTX_IRQ_INDEX = 0
export const VFIO_PCI_MSI_IRQ_INDEX = 1
export const VFIO_PCI_NUM_IRQS = 5

export const VFIO_IRQ_INFO_EVENTFD = 1
export const VFIO_IRQ_INFO_MASKABLE = 2
export const VFIO_IRQ_INFO_AUTOMASKED = 4
export const VFIO_IRQ_INFO_NORESIZE = 8

export const VFIO_IRQ_SET_DATA_NONE = 1
export const VFIO_IRQ_SET_DATA_BOOL = 2
export const VFIO_IRQ_SET_DATA_EVENTFD = 4
export const VFIO_IRQ_SET_ACTION_MASK = 8
export const VFIO_IRQ_SET_ACTION_UNMASK = 16
export const VFIO_IRQ_SET_ACTION_TRIGGER = 32
