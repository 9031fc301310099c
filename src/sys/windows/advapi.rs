//! Services, events and the registry: functions, structures and constants of
//! advapi32, as its headers declare them and under their names there.
#![allow(non_camel_case_types, non_snake_case, clippy::upper_case_acronyms)]

use std::ffi::c_void;

pub(super) use super::ffi::BOOL;

pub(super) const SC_MANAGER_CONNECT: u32 = 0x0001;
pub(super) const SC_MANAGER_CREATE_SERVICE: u32 = 0x0002;
pub(super) const SERVICE_CHANGE_CONFIG: u32 = 0x0002;
pub(super) const SERVICE_START: u32 = 0x0010;
pub(super) const DELETE: u32 = 0x0001_0000;
pub(super) const SERVICE_WIN32_OWN_PROCESS: u32 = 0x10;
pub(super) const SERVICE_AUTO_START: u32 = 2;
pub(super) const SERVICE_ERROR_NORMAL: u32 = 1;
pub(super) const SERVICE_CONFIG_DESCRIPTION: u32 = 1;
pub(super) const SERVICE_CONFIG_FAILURE_ACTIONS: u32 = 2;
pub(super) const SC_ACTION_RESTART: u32 = 1;

pub(super) const SERVICE_STOPPED: u32 = 1;
pub(super) const SERVICE_START_PENDING: u32 = 2;
pub(super) const SERVICE_STOP_PENDING: u32 = 3;
pub(super) const SERVICE_RUNNING: u32 = 4;
pub(super) const SERVICE_ACCEPT_STOP: u32 = 0x1;
pub(super) const SERVICE_ACCEPT_SHUTDOWN: u32 = 0x4;
pub(super) const SERVICE_ACCEPT_PARAMCHANGE: u32 = 0x8;
pub(super) const SERVICE_CONTROL_STOP: u32 = 1;
pub(super) const SERVICE_CONTROL_INTERROGATE: u32 = 4;
pub(super) const SERVICE_CONTROL_SHUTDOWN: u32 = 5;
pub(super) const SERVICE_CONTROL_PARAMCHANGE: u32 = 6;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const ERROR_FILE_NOT_FOUND: i32 = 2;
pub(super) const ERROR_CALL_NOT_IMPLEMENTED: u32 = 120;
pub(super) const ERROR_FAILED_SERVICE_CONTROLLER_CONNECT: i32 = 1063;
pub(super) const ERROR_SERVICE_SPECIFIC_ERROR: u32 = 1066;

pub(super) const EVENTLOG_ERROR_TYPE: u16 = 1;
pub(super) const EVENTLOG_WARNING_TYPE: u16 = 2;
pub(super) const EVENTLOG_INFORMATION_TYPE: u16 = 4;

/// A number that is widened with its sign.
pub(super) const HKEY_LOCAL_MACHINE: *mut c_void = 0x8000_0002_u32.cast_signed() as isize as _;
pub(super) const KEY_SET_VALUE: u32 = 0x0002;
pub(super) const REG_EXPAND_SZ: u32 = 2;
pub(super) const REG_DWORD: u32 = 4;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SERVICE_STATUS {
    pub(super) dwServiceType: u32,
    pub(super) dwCurrentState: u32,
    pub(super) dwControlsAccepted: u32,
    pub(super) dwWin32ExitCode: u32,
    pub(super) dwServiceSpecificExitCode: u32,
    pub(super) dwCheckPoint: u32,
    pub(super) dwWaitHint: u32,
}

#[repr(C)]
pub(super) struct SERVICE_TABLE_ENTRYW {
    pub(super) lpServiceName: *mut u16,
    pub(super) lpServiceProc: Option<unsafe extern "system" fn(u32, *mut *mut u16)>,
}

#[repr(C)]
pub(super) struct SERVICE_DESCRIPTIONW {
    pub(super) lpDescription: *mut u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct SC_ACTION {
    pub(super) Type: u32,
    pub(super) Delay: u32,
}

#[repr(C)]
pub(super) struct SERVICE_FAILURE_ACTIONSW {
    pub(super) dwResetPeriod: u32,
    pub(super) lpRebootMsg: *mut u16,
    pub(super) lpCommand: *mut u16,
    pub(super) cActions: u32,
    pub(super) lpsaActions: *mut SC_ACTION,
}

pub(super) type HANDLER = unsafe extern "system" fn(u32, u32, *mut c_void, *mut c_void) -> u32;

#[link(name = "advapi32")]
unsafe extern "system" {
    pub(super) fn OpenSCManagerW(
        machine: *const u16,
        database: *const u16,
        access: u32,
    ) -> *mut c_void;
    pub(super) fn OpenServiceW(manager: *mut c_void, name: *const u16, access: u32) -> *mut c_void;
    pub(super) fn CreateServiceW(
        manager: *mut c_void,
        name: *const u16,
        display_name: *const u16,
        access: u32,
        kind: u32,
        start: u32,
        error_control: u32,
        command: *const u16,
        load_order_group: *const u16,
        tag: *mut u32,
        dependencies: *const u16,
        account: *const u16,
        password: *const u16,
    ) -> *mut c_void;
    pub(super) fn ChangeServiceConfig2W(
        service: *mut c_void,
        level: u32,
        info: *const c_void,
    ) -> BOOL;
    pub(super) fn DeleteService(service: *mut c_void) -> BOOL;
    pub(super) fn CloseServiceHandle(handle: *mut c_void) -> BOOL;
    pub(super) fn StartServiceCtrlDispatcherW(table: *const SERVICE_TABLE_ENTRYW) -> BOOL;
    pub(super) fn RegisterServiceCtrlHandlerExW(
        name: *const u16,
        handler: Option<HANDLER>,
        context: *mut c_void,
    ) -> *mut c_void;
    pub(super) fn SetServiceStatus(service: *mut c_void, status: *const SERVICE_STATUS) -> BOOL;
    pub(super) fn RegisterEventSourceW(server: *const u16, source: *const u16) -> *mut c_void;
    pub(super) fn DeregisterEventSource(source: *mut c_void) -> BOOL;
    pub(super) fn ReportEventW(
        source: *mut c_void,
        kind: u16,
        category: u16,
        id: u32,
        user: *const c_void,
        count: u16,
        data_length: u32,
        texts: *const *const u16,
        data: *const c_void,
    ) -> BOOL;
    pub(super) fn RegCreateKeyExW(
        parent: *mut c_void,
        path: *const u16,
        reserved: u32,
        class: *const u16,
        options: u32,
        access: u32,
        security: *const c_void,
        key: *mut *mut c_void,
        disposition: *mut u32,
    ) -> i32;
    pub(super) fn RegSetValueExW(
        key: *mut c_void,
        name: *const u16,
        reserved: u32,
        kind: u32,
        data: *const u8,
        length: u32,
    ) -> i32;
    pub(super) fn RegCloseKey(key: *mut c_void) -> i32;
    pub(super) fn RegDeleteKeyW(parent: *mut c_void, path: *const u16) -> i32;
}
